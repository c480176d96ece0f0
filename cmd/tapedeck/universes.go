package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/universe"
)

type universesCmd struct {
	server
	Name string `arg:"" optional:"" help:"Name of one, to print its tickers, a line each."`
}

// Run lists the universes that the server knows, or the tickers of one.
func (cmd universesCmd) Run(a *app) error {
	c, err := cmd.client()
	if err != nil {
		return err
	}
	if cmd.Name != "" {
		one, err := c.Universe(a.ctx, cmd.Name)
		if err != nil {
			return err
		}
		if cmd.JSON {
			return printJSON(a.out, []client.Universe{one})
		}
		for _, ticker := range one.Tickers {
			fmt.Fprintln(a.out, spaced(ticker))
		}
		fmt.Fprintf(a.err, "%s of %s: %d tickers; %s\n", oneLine(one.Name, 60), oneLine(one.Date, 20), one.Count, oneLine(one.Origin, 300))
		a.warn(one.Warning)
		return nil
	}
	items, err := c.Universes(a.ctx)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.out, items)
	}
	t := newTable("NAME", ">TICKERS", "DATE", "WHAT")
	for _, one := range items {
		count, date := strconv.Itoa(one.Count), one.Date
		if one.Date == "" {
			count, date = "-", "when asked for"
		}
		t.add(oneLine(one.Name, 60), count, oneLine(date, 20), oneLine(one.Title, 100))
	}
	t.write(a.out, nil)
	return nil
}

// warn prints a server's warning, if there is one.
func (a *app) warn(text string) {
	if text != "" {
		fmt.Fprintln(a.err, "warning:", oneLine(text, 400))
	}
}

// fileTickers reads the tickers of a user's file; what is illegal in it is told
// with its lines.
func fileTickers(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, exitError{exitUsage, fmt.Sprintf("--universe cannot be used: %v; after the @ comes a file with a ticker per line", err)}
	}
	defer file.Close()
	tickers, err := universe.ParseFile(file, path)
	if errors.Is(err, universe.ErrFile) {
		return nil, exitError{exitUsage, fmt.Sprintf("--universe cannot be used: %v", err)}
	}
	return tickers, err
}
