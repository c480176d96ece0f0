package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/source"
)

type marketCmd struct {
	Update marketUpdateCmd `cmd:"" help:"Fetch the daily files that the archive lacks."`
}

type marketUpdateCmd struct {
	config.Market
	dataDir
	Bars     int    `default:"0" placeholder:"N" help:"Fetch what jobs over N bars need; 400 by default."`
	Since    string `placeholder:"YYYY-MM-DD" help:"Fetch the sessions from this date on, instead of --bars."`
	Progress string `enum:"auto,bar,plain,none" default:"auto" help:"Progress on standard error: bar, plain or none; auto is bar in a terminal and plain elsewhere."`
	JSON     bool   `name:"json" help:"Print JSON, an object per line."`
}

// An archiveUpdate is what came of an update, as --json prints it.
type archiveUpdate struct {
	Folder string `json:"folder"`
	nse.Filling
	Seconds float64 `json:"seconds"`
}

// Run fetches what the archive lacks. What is fetched stays: an update that was
// interrupted, or met days that failed, is run again to go on.
func (cmd marketUpdateCmd) Run(a *app) error {
	span, err := cmd.span()
	if err != nil {
		return err
	}
	dir, err := cmd.path()
	if err != nil {
		return err
	}
	provider, folder, err := source.OpenArchive(cmd.Market, source.Embedded(dir, a.log))
	if err != nil {
		return exitError{exitUsage, err.Error()}
	}
	defer provider.Close() //nolint:errcheck // it only stops downloads, which are safe to stop at any time
	show := a.filling(cmd.Progress)
	began := time.Now()
	done, err := provider.Update(a.ctx, span, show)
	if show != nil {
		a.endFilling(cmd.Progress)
	}
	if fault, ok := errors.AsType[*market.Error](err); ok && fault.Code == market.CodeInvalid {
		return usage("reading --since: %v", err) // only a date can be out of range here: see span
	}
	took := time.Since(began)
	if cmd.JSON {
		if printing := printJSON(a.out, []archiveUpdate{{folder, done, took.Seconds()}}); printing != nil {
			return errors.Join(err, printing)
		}
	} else {
		fmt.Fprintf(a.out, "archive  %s\nsessions %d%s\nthere    %d\nfetched  %d\nmissing  %d\nagain    %s\nfailed   %d\ntook     %s\n",
			folder, done.Sessions, between(done), done.There, done.Fetched, done.Missing, again(done), done.Failed, took.Round(time.Millisecond))
	}
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(a.err, "what was fetched stays; run it again to go on")
		return err
	case err != nil && done.Failed > 0:
		return fmt.Errorf("%d days could not be fetched; what was fetched stays, run it again to go on with those alone: %w", done.Failed, err)
	case err != nil:
		return err
	}
	return nil
}

// span is which sessions are fetched.
func (cmd marketUpdateCmd) span() (nse.Span, error) {
	switch {
	case cmd.Bars < 0 || cmd.Bars > nse.MaxHistory:
		return nse.Span{}, usage("--bars %d is not within 1 and %d", cmd.Bars, nse.MaxHistory)
	case cmd.Bars > 0 && cmd.Since != "":
		return nse.Span{}, usage("--bars and --since both say how far back; give one")
	case cmd.Since != "":
		date, err := time.Parse(time.DateOnly, cmd.Since)
		if err != nil {
			return nse.Span{}, usage("--since %q is no date; want YYYY-MM-DD", cmd.Since)
		}
		return nse.Span{Since: date}, nil
	case cmd.Bars == 0:
		return nse.Span{Bars: source.UsualBars}, nil
	}
	return nse.Span{Bars: cmd.Bars}, nil
}

// between is the range of the sessions, if there are any.
func between(f nse.Filling) string {
	if f.Sessions == 0 {
		return ""
	}
	return fmt.Sprintf(", %s to %s", f.First.Format(time.DateOnly), f.Last.Format(time.DateOnly))
}

// again is how many of the missing days a later update asks for again.
func again(f nse.Filling) string {
	if f.Again == 0 {
		return "0"
	}
	return fmt.Sprintf("%d, of those that are missing: run it again later", f.Again)
}

// filling returns what shows how far an update has come, nil for nothing.
func (a *app) filling(kind string) func(nse.Filling) {
	switch kind = a.fillingKind(kind); kind {
	case "none":
		return nil
	case "bar":
		var bar *progressbar.ProgressBar
		return func(f nse.Filling) {
			if bar == nil {
				bar = progressbar.NewOptions(f.Sessions,
					progressbar.OptionSetWriter(a.err), progressbar.OptionSetDescription("daily files"), progressbar.OptionShowCount(),
					progressbar.OptionSetWidth(30), progressbar.OptionThrottle(65*time.Millisecond), progressbar.OptionUseANSICodes(true))
			}
			if err := bar.Set(f.Done()); err != nil {
				a.log.Debug("progress bar", "err", err) // a bar that cannot be drawn stops nothing
			}
		}
	}
	tenth := -1
	return func(f nse.Filling) {
		if now := 10 * f.Done() / max(f.Sessions, 1); now != tenth {
			tenth = now
			fmt.Fprintf(a.err, "%d of %d days, %d fetched, %d failed\n", f.Done(), f.Sessions, f.Fetched, f.Failed)
		}
	}
}

func (a *app) endFilling(kind string) {
	if a.fillingKind(kind) == "bar" {
		fmt.Fprintln(a.err)
	}
}

func (a *app) fillingKind(kind string) string {
	switch {
	case kind != "auto":
		return kind
	case a.errTTY:
		return "bar"
	}
	return "plain"
}
