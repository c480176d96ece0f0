// Package configtest holds the tables of docs/OPERATIONS.md against the flags
// of the programs: each program's own test gives it its settings.
package configtest

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/config"
)

// File is the document with the tables.
const File = "docs/OPERATIONS.md"

// Check compares the table of a program in File, between the lines
// "<!-- flags NAME: begin -->" and "<!-- flags NAME: end -->", with its
// settings, a pointer to the struct that kong reads. The flag -update, if the
// test's program has one, writes the table instead.
func Check(t *testing.T, name string, settings any) {
	t.Helper()
	parser, err := kong.New(settings, config.Options(name, "")...)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root(t), filepath.FromSlash(File))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- flags "+name+": begin -->\n", "<!-- flags "+name+": end -->"
	before, rest, found := strings.Cut(string(text), begin)
	have, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the flags of %s: the lines %q and %q", File, name, begin, end)
	}
	want := table(parser.Model)
	if update := flag.Lookup("update"); update != nil && update.Value.String() == "true" {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(strings.Split(want, "\n"), strings.Split(have, "\n")); diff != "" {
		t.Errorf("the table of %s in %s is not that of its flags (-want +have); write it with: go test ./cmd/%s -run Docs -update\n%s", name, File, name, diff)
	}
}

// A setting is one row: flags of several commands that are alike are one.
type setting struct {
	flag     *kong.Flag
	commands []string
}

// table is a row per setting. A program with commands has a column that says
// which of them take it.
func table(app *kong.Application) string {
	var settings []*setting
	add := func(command string, flag *kong.Flag) {
		for _, known := range settings {
			if alike(known.flag, flag) {
				known.commands = append(known.commands, command)
				return
			}
		}
		settings = append(settings, &setting{flag, []string{command}})
	}
	for _, flag := range app.Flags {
		add("all", flag)
	}
	leaves := app.Leaves(true)
	for _, command := range leaves {
		for _, flag := range command.Flags {
			add(strings.TrimPrefix(command.Path(), app.Name+" "), flag)
		}
	}
	slices.SortStableFunc(settings, func(a, b *setting) int { return cmp.Compare(a.flag.Name, b.flag.Name) })
	var b strings.Builder
	b.WriteString("| Flag | Variable | Default | Meaning |")
	if len(leaves) > 0 {
		b.WriteString(" Commands |")
	}
	b.WriteString("\n|---|---|---|---|")
	if len(leaves) > 0 {
		b.WriteString("---|")
	}
	b.WriteString("\n")
	for _, s := range settings {
		if s.flag.Name == "help" {
			continue
		}
		fmt.Fprintf(&b, "| `--%s` | %s | %s | %s |", s.flag.Name, variables(s.flag), fallback(s.flag), meaning(s.flag))
		if len(leaves) > 0 {
			b.WriteString(" " + strings.Join(s.commands, ", ") + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func alike(a, b *kong.Flag) bool {
	return a.Name == b.Name && a.Help == b.Help && a.Default == b.Default && slices.Equal(a.Envs, b.Envs)
}

func variables(flag *kong.Flag) string {
	names := make([]string, 0, len(flag.Envs))
	for _, env := range flag.Envs {
		name := "`" + env + "`"
		if flag.Target.Type() == reflect.TypeFor[config.Secret]() {
			name += ", `" + env + "_FILE`"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// meaning is the help, and the legal words where it does not name them.
func meaning(flag *kong.Flag) string {
	text := strings.ReplaceAll(flag.Help, "|", `\|`)
	words := strings.Split(strings.TrimPrefix(flag.Enum, ","), ",")
	if flag.Enum == "" || strings.Contains(text, words[len(words)-1]) {
		return text
	}
	return fmt.Sprintf("%s One of %s.", text, strings.Join(words, ", "))
}

func fallback(flag *kong.Flag) string {
	if flag.Default == "" {
		return ""
	}
	return "`" + flag.Default + "`"
}

// root is the directory of go.mod above the test's own.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test's directory")
		}
		dir = filepath.Dir(dir)
	}
}
