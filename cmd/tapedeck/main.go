// Command tapedeck is everything in one program: the whole pipeline in one
// process (demo, up), and the verbs of those who use it and of those who
// operate it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/daemon"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitFailed      = 3 // the job ended with failed tickers (--fail-on)
	exitInterrupted = 130
)

// cli is every command, in the order of the help.
type cli struct {
	config.Log

	Demo demoCmd `cmd:"" help:"Show the whole pipeline at work: offline, in a temporary directory, on invented bars."`
	Up   upCmd   `cmd:"" help:"Run the api, an analyzer and the recorder in this process."`

	Analyze  analyzeCmd  `cmd:"" group:"use" help:"Analyse tickers: submit, follow, print the verdicts."`
	Backtest backtestCmd `cmd:"" group:"use" help:"Trade a strategy over past bars: submit, follow, print what each ticker came to."`
	Jobs     jobsCmd     `cmd:"" group:"use" help:"List jobs, newest first."`
	Job      jobCmd      `cmd:"" group:"use" help:"Show one job and the outcome of each ticker."`
	Cancel   cancelCmd   `cmd:"" group:"use" help:"Stop a job; outcomes from then on do not count."`
	Retry    retryCmd    `cmd:"" group:"use" help:"Submit the failed tickers of a job as a new job."`
	Results  resultsCmd  `cmd:"" group:"use" help:"Show a job's results, or the screen of the newest day."`
	History  historyCmd  `cmd:"" group:"use" help:"Show the results of a ticker, newest first."`
	Explain  explainCmd  `cmd:"" group:"use" help:"Show how a result came about: every vote, the score's sum, the plan, the data."`
	Watch    watchCmd    `cmd:"" group:"use" help:"Follow a job, or everything, as it happens."`

	Strategies strategiesCmd `cmd:"" group:"use" help:"List the strategies, print one, or check a file of your own."`
	Universes  universesCmd  `cmd:"" group:"use" help:"List the universes, or print the tickers of one."`

	Market     marketCmd     `cmd:"" group:"operate" help:"Fill the archive of a market before the first job."`
	Subscriber subscriberCmd `cmd:"" group:"operate" help:"Let a program outside follow the tape."`
	Provision  provisionCmd  `cmd:"" group:"operate" help:"Make or update the streams on an external NATS server."`
	Migrate    migrateCmd    `cmd:"" group:"operate" help:"Bring the database's tables up to this program."`
	Rebuild    rebuildCmd    `cmd:"" group:"operate" help:"Fold the tape from its beginning into new tables and swap them in."`
	Verify     verifyCmd     `cmd:"" group:"operate" help:"Fold the tape again and compare every row."`
	Recover    recoverCmd    `cmd:"" group:"operate" help:"Go on after the tape was damaged or lost."`
	Soak       soakCmd       `cmd:"" group:"operate" help:"Run mixed jobs for a time, and fail on what grows, does not end, or differs."`
	Doctor     doctorCmd     `cmd:"" group:"operate" help:"Look at every part and say what is wrong and what to do."`

	Version versionCmd `cmd:"" help:"Print the version."`
}

// app is what every command gets.
type app struct {
	ctx    context.Context
	out    io.Writer // results
	err    io.Writer // progress and messages
	outTTY bool
	errTTY bool
	color  bool // of out
	log    *slog.Logger
	logs   config.Log
}

// exitError ends the program with a code; a text that is not empty is printed.
type exitError struct {
	code int
	text string
}

func (e exitError) Error() string { return e.text }

func main() {
	ctx, stop := daemon.Signals(context.Background())
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program but for the process around it.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	var c cli
	exited := -1
	options := append(config.Options("tapedeck", "Analyse a whole stock market, and trust what it says."),
		kong.Writers(out, errOut),
		kong.Exit(func(code int) { exited = code }),
		kong.ExplicitGroups([]kong.Group{{Key: "use", Title: "For those who screen markets:"}, {Key: "operate", Title: "For those who run it:"}}),
	)
	parser, err := kong.New(&c, options...)
	if err != nil {
		fmt.Fprintln(errOut, "tapedeck:", err)
		return exitFailure
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help has been printed
		return exited
	}
	if err != nil {
		fmt.Fprintf(errOut, "tapedeck: %v\nRun `tapedeck --help` for the commands and flags.\n", err)
		return exitUsage
	}
	a := &app{ctx: ctx, out: out, err: errOut, outTTY: isTerminal(out), errTTY: isTerminal(errOut), log: c.Logger(slog.LevelWarn), logs: c.Log}
	a.color = a.outTTY && os.Getenv("NO_COLOR") == ""
	return a.exit(parsed.Run(a))
}

// exit prints what went wrong and returns the exit code.
func (a *app) exit(err error) int {
	var coded exitError
	switch {
	case err == nil:
		return exitOK
	case a.ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(a.err, "tapedeck: interrupted")
		return exitInterrupted
	case errors.As(err, &coded):
		if coded.text != "" {
			fmt.Fprintln(a.err, "tapedeck:", coded.text)
		}
		return coded.code
	}
	fmt.Fprintln(a.err, "tapedeck:", err)
	return exitFailure
}

// usage is an error of the command line that kong cannot see.
func usage(format string, args ...any) error {
	return exitError{exitUsage, fmt.Sprintf(format, args...)}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// with is the same app under another context.
func (a *app) with(ctx context.Context) *app {
	b := *a
	b.ctx = ctx
	return &b
}
