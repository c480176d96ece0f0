package postgrestest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// binaries returns the directory that holds initdb and postgres: the one that
// PATH leads to, behind symlinks (Debian keeps the programs out of PATH, and a
// link to one of them is not beside the other), else the newest of those
// where packages put them.
func binaries() (string, error) {
	var candidates []string
	if found, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(found); err == nil {
			candidates = append(candidates, filepath.Dir(real))
		}
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin"} {
		found, _ := filepath.Glob(pattern) // the patterns are well formed
		slices.Sort(found)
		slices.Reverse(found)
		candidates = append(candidates, found...)
	}
	for _, dir := range candidates {
		if executable(filepath.Join(dir, "initdb")) && executable(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", errors.New("found neither initdb and postgres in PATH nor in /usr/lib/postgresql/*/bin")
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
