package main

import (
	"fmt"
	"runtime/debug"
)

type versionCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints the program's version, as the Go toolchain stamped it.
func (cmd versionCmd) Run(a *app) error {
	v := buildVersion()
	if cmd.JSON {
		return printJSON(a.out, []any{v})
	}
	fmt.Fprintf(a.out, "tapedeck %s (%s, %s)\n", v.Version, v.Revision, v.Go)
	return nil
}

type version struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
}

func buildVersion() version {
	v := version{Version: "(unknown)", Revision: "unknown revision"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version, v.Go = info.Main.Version, info.GoVersion
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			v.Revision = setting.Value
		}
	}
	return v
}
