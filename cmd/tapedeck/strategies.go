package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tapedeck/tapedeck/internal/strategy"
)

type strategiesCmd struct {
	server
	Name  string   `arg:"" optional:"" help:"Name of one, to print its whole document."`
	Check []string `type:"path" sep:"none" placeholder:"FILE" help:"Check a strategy's file (.yaml, .yml or .json), or each in a folder, without a server; repeatable."`
}

// Run lists the strategies that the server knows, prints one whole, or checks files.
func (cmd strategiesCmd) Run(a *app) error {
	if len(cmd.Check) > 0 {
		return cmd.check(a)
	}
	c, err := cmd.client()
	if err != nil {
		return err
	}
	if cmd.Name != "" {
		one, err := c.Strategy(a.ctx, cmd.Name)
		if err != nil {
			return err
		}
		if cmd.JSON {
			return printJSON(a.out, []any{one})
		}
		var text bytes.Buffer
		if err := json.Indent(&text, one.Document, "", "  "); err != nil {
			return fmt.Errorf("reading the strategy's document: %w", err)
		}
		fmt.Fprintln(a.out, spacedLines(text.String()))
		return nil
	}
	items, problems, err := c.Strategies(a.ctx)
	if err != nil {
		return err
	}
	if cmd.JSON {
		if err := printJSON(a.out, items); err != nil {
			return err
		}
	} else {
		t := newTable("NAME", "FROM", "TITLE", ">MIN BARS", "HASH")
		for _, one := range items {
			name := one.Name
			if one.Default {
				name += " (default)"
			}
			t.add(oneLine(name, 60), oneLine(one.Origin, 20), oneLine(one.Title, 40), fmt.Sprint(one.MinBars), oneLine(one.Hash, 13))
		}
		t.write(a.out, nil)
	}
	for _, problem := range problems {
		fmt.Fprintln(a.err, "unusable:", oneLine(problem, 400))
	}
	return nil
}

// spacedLines is spaced for a text of several lines.
func spacedLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = spaced(line)
	}
	return strings.Join(lines, "\n")
}

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
	files, err := strategyFiles(cmd.Check)
	if err != nil {
		return err
	}
	broken := 0
	for _, file := range files {
		found, err := checkFile(file)
		if err != nil {
			return err
		}
		if len(found.Problems) > 0 {
			broken++
		}
		if cmd.JSON {
			if err := printJSON(a.out, []checked{found}); err != nil {
				return err
			}
			continue
		}
		found.print(a)
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

// strategyFiles are the files named, and for a folder the strategies in it.
func strategyFiles(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("looking for a strategy: %w", err)
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, fmt.Errorf("reading the folder: %w", err)
		}
		for _, entry := range entries {
			if isStrategyFile(entry.Name()) {
				files = append(files, filepath.Join(path, entry.Name()))
			}
		}
	}
	return files, nil
}

func isStrategyFile(name string) bool {
	return slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(name))
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

// readStrategy reads a strategy's file; one without an ending is JSON if it
// begins like it, else YAML.
func readStrategy(path string) (strategy.Document, error) {
	text, err := readBounded(path, strategy.MaxBytes)
	if err != nil {
		return strategy.Document{}, fmt.Errorf("reading the strategy: %w", err)
	}
	if filepath.Ext(path) != "" {
		return strategy.ParseFile(path, text)
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return strategy.Parse(text)
	}
	return strategy.ParseYAML(text)
}

// readBounded reads a file and one byte more than most, so that what is too
// long is seen to be so without being read whole.
func readBounded(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, most+1))
}

// strategyFile is the file that an argument such as @mine.yaml or mine.yaml
// names; empty if the argument is a strategy's name.
func strategyFile(argument string) string {
	if path, marked := strings.CutPrefix(argument, "@"); marked {
		return path
	}
	if isStrategyFile(argument) {
		return argument
	}
	return ""
}

// strategyArgument is what a submission says of a strategy given by name or by
// file. A wrong file is told line by line.
func strategyArgument(argument string) (json.RawMessage, error) {
	path := strategyFile(argument)
	if path == "" {
		return json.Marshal(argument)
	}
	document, err := readStrategy(path)
	var wrong *strategy.InvalidError
	if errors.As(err, &wrong) {
		text := "--strategy " + path + " cannot be used:"
		for _, one := range findings(wrong) {
			text += "\n  " + one.text(path)
		}
		return nil, exitError{exitUsage, text}
	}
	return document.Canonical(), err
}
