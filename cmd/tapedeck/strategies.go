package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	if isStrategyFile(argument) || strings.ContainsAny(argument, `/\`) { // no name has these
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
	if err != nil {
		return nil, usage("--strategy %s cannot be read: %v", argument, err)
	}
	return document.Canonical(), nil
}
