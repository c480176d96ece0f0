package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/strategy/folder"
)

// A checked is what --check found of one file.
type checked struct {
	File     string        `json:"file"`
	Name     string        `json:"name,omitempty"`
	Hash     string        `json:"hash,omitempty"`
	Problems []fileFinding `json:"problems"`
}

// A fileFinding is one thing that is wrong with a strategy's file.
type fileFinding struct {
	Line    int    `json:"line,omitempty"` // from 1; absent where it is in no line
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// check prints what is wrong with each file, and ends with 1 if anything is.
func (cmd strategiesCmd) check(a *app) error {
	var files []checked
	for _, path := range cmd.Check {
		found, err := checkPath(path)
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	broken := 0
	for _, one := range files {
		if len(one.Problems) > 0 {
			broken++
		}
		if !cmd.JSON {
			one.print(a)
		}
	}
	if cmd.JSON {
		if err := printJSON(a.out, files); err != nil {
			return err
		}
	}
	if broken > 0 {
		return exitError{exitFailure, fmt.Sprintf("%d of %d files cannot be used", broken, len(files))}
	}
	return nil
}

func (c checked) print(a *app) {
	if len(c.Problems) == 0 {
		fmt.Fprintf(a.out, "%s: ok, strategy %s, hash %.12s\n", c.File, c.Name, c.Hash)
	}
	for _, p := range c.Problems {
		fmt.Fprintln(a.out, p.text(c.File))
	}
}

// checkPath checks a file, or each strategy of a folder.
func checkPath(path string) ([]checked, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("looking for a strategy: %w", err)
	}
	if info.IsDir() {
		return checkFolder(path)
	}
	one, err := checkFile(path)
	return []checked{one}, err
}

// checkFolder checks each file of a folder, also by what a folder asks of its
// files: their names, and that no two hold one strategy.
func checkFolder(dir string) ([]checked, error) {
	own, err := folder.Open(dir)
	if err != nil {
		return nil, err
	}
	defer own.Close()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the folder: %w", err)
	}
	var files []checked
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || strings.HasPrefix(name, ".") || !isStrategyFile(name) {
			continue
		}
		one, err := checkFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if len(one.Problems) == 0 {
			if _, err := own.Get(strings.TrimSuffix(name, filepath.Ext(name))); err != nil {
				one.Problems = append(one.Problems, fileFinding{Message: reasonOf(err)})
			}
		}
		files = append(files, one)
	}
	return files, nil
}

func isStrategyFile(name string) bool {
	return slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(name))
}

// reasonOf is why a folder refuses a file, without the file's name.
func reasonOf(err error) string {
	var refused *folder.FileError
	if errors.As(err, &refused) {
		return refused.Reason
	}
	return err.Error()
}

// checkFile reads a file as a strategy. Its error is that it cannot be read at all.
func checkFile(path string) (checked, error) {
	found := checked{File: path, Problems: []fileFinding{}}
	document, err := readStrategy(path)
	var wrong *strategy.InvalidError
	switch {
	case errors.As(err, &wrong):
		found.Problems = findings(wrong)
	case err != nil:
		return found, err
	default:
		found.Name, found.Hash = document.Name, document.Hash()
	}
	return found, nil
}

// findings are what is wrong with a document, from its first line to its last.
func findings(wrong *strategy.InvalidError) []fileFinding {
	found := make([]fileFinding, len(wrong.Problems))
	for i, p := range wrong.Problems {
		found[i] = fileFinding{p.Line, p.Field, p.Message}
	}
	slices.SortStableFunc(found, func(a, b fileFinding) int { return cmp.Compare(a.Line, b.Line) })
	return found
}

// text is a finding in a line: "file:line: field message".
func (f fileFinding) text(file string) string {
	if f.Line > 0 {
		file += fmt.Sprintf(":%d", f.Line)
	}
	return file + ": " + spaced(strings.TrimSpace(f.Field+" "+f.Message))
}
