package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/synthetic"
	"github.com/tapedeck/tapedeck/internal/soak"
	"github.com/tapedeck/tapedeck/internal/standalone"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
	"github.com/tapedeck/tapedeck/internal/stream"
)

type soakCmd struct {
	foldAccess
	For         time.Duration `name:"for" required:"" placeholder:"DURATION" help:"How long to run mixed jobs, such as 1h."`
	URL         string        `name:"url" placeholder:"URL" help:"Api of a running deck, which keeps the jobs and their results; without it a deck of its own in a temporary directory."`
	Metrics     []string      `name:"metrics" placeholder:"[NAME=]URL" help:"Metrics of another process of that deck, such as analyzer=http://127.0.0.1:8081/metrics; repeatable."`
	NATSMonitor []string      `name:"nats-monitor" placeholder:"http://HOST:8222" help:"Monitoring address of that deck's nats-server, repeatable."`
	Rate        float64       `name:"rate" default:"0" placeholder:"N" help:"Tickers per second, all jobs together; 0 means 100, or what fills half a tape of 8 GiB in the time if that is less."`
}

// Run soaks and exits with 1 if anything grows, a job does not end as it
// should, or a row is not what the tape says.
func (cmd soakCmd) Run(a *app) error {
	switch {
	case cmd.For <= 0:
		return usage("--for must be a time such as 10m or 1h")
	case !(cmd.Rate >= 0):
		return usage("--rate must not be below 0")
	case cmd.URL == "" && (len(cmd.Metrics) > 0 || len(cmd.NATSMonitor) > 0 || cmd.NATSURL != "" || cmd.Data != "" || cmd.DatabaseURL != ""):
		return usage("where the parts of a running deck are goes with --url, the address of its api; without that, soak starts a deck of its own")
	case cmd.URL == "":
		return cmd.own(a)
	case cmd.NATSURL == "" && cmd.Data == "":
		return usage("the end is verified against the tape: say where it is, with --nats-url, or with --data for the directory of `tapedeck up`")
	}
	config := soak.Config{Sampler: &soak.Sampler{Monitor: stream.Monitor{URLs: cmd.NATSMonitor}}}
	config.Sampler.API = soak.Process{Name: "api", Metrics: strings.TrimRight(cmd.URL, "/") + "/metrics", HoldsTape: cmd.embedded()}
	if cmd.embedded() {
		config.Sampler.API.Name = "tapedeck"
	}
	for _, text := range cmd.Metrics {
		one, err := processAt(text)
		if err != nil {
			return err
		}
		config.Sampler.Processes = append(config.Sampler.Processes, one)
	}
	if cmd.DatabaseURL != "" || cmd.embedded() {
		if err := cmd.measure(&config); err != nil {
			return err
		}
	}
	return cmd.soak(a, cmd.URL, config)
}

// embedded reports whether the deck is one process with a server of its own.
func (cmd soakCmd) embedded() bool { return cmd.NATSURL == "" }

// processAt reads what --metrics says of a process.
func processAt(text string) (soak.Process, error) {
	name, address, named := strings.Cut(text, "=")
	if !named || strings.Contains(name, "/") {
		name, address = "", text
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return soak.Process{}, usage("--metrics %q is not an address such as analyzer=http://127.0.0.1:8081/metrics", text)
	}
	if name == "" {
		name = u.Host
	}
	return soak.Process{Name: name, Metrics: address}, nil
}

// measure lets the database be measured.
func (cmd soakCmd) measure(config *soak.Config) error {
	address, err := cmd.address(cmd.dataDir)
	if err != nil {
		return err
	}
	config.Sampler.DatabaseBytes = func(ctx context.Context) (int64, error) { return dsn.Size(ctx, address) }
	return nil
}

// own soaks a deck of its own, which goes with it unless something was wrong.
func (cmd soakCmd) own(a *app) error {
	dir, err := os.MkdirTemp("", "tapedeck-soak-")
	if err != nil {
		return fmt.Errorf("making the temporary directory: %w", err)
	}
	invented, err := synthetic.New(synthetic.Config{})
	if err != nil {
		return fmt.Errorf("making the synthetic market: %w", err)
	}
	listener, err := config.HTTP{HTTPAddr: "127.0.0.1:0"}.Listen()
	if err != nil {
		return err
	}
	running := context.WithoutCancel(a.ctx) // its end ends the load, and only then the deck
	deck, err := standalone.Open(running, standalone.Config{
		Log: a.log, DataDir: dir, Listener: listener, Provider: refusing{invented}, Slots: config.Analyzer{}.Slots(),
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	cmd.Data = dir
	base := "http://" + listener.Addr().String()
	config := soak.Config{Refuses: true, Sampler: &soak.Sampler{API: soak.Process{Name: "tapedeck", Metrics: base + "/metrics", HoldsTape: true}}}
	if err := cmd.measure(&config); err != nil {
		return errors.Join(err, deck.Close())
	}
	fmt.Fprintf(a.err, "data      %s\napi       %s\n", dir, base)
	err = a.beside(running, deck.Run, func(context.Context) error { return cmd.soak(a, base, config) })
	if err = errors.Join(err, deck.Close()); err != nil {
		fmt.Fprintf(a.err, "tape and tables stay in %s\n", dir)
		return err
	}
	return os.RemoveAll(dir)
}

// refusing is the synthetic market without the tickers that a soak calls unknown.
type refusing struct{ market.Provider }

// Daily implements market.Provider.
func (r refusing) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	if strings.HasPrefix(ticker, soak.Unknown) {
		return market.Series{}, &market.Error{Code: market.CodeUnknownTicker, Ticker: ticker, Err: errors.New("it is not in the synthetic market of a soak")}
	}
	return r.Provider.Daily(ctx, ticker, bars)
}

// soak soaks the deck at base and prints what it found.
func (cmd soakCmd) soak(a *app, base string, config soak.Config) error {
	var err error
	if config.Client, err = client.New(base); err != nil {
		return exitError{exitUsage, err.Error()}
	}
	config.For, config.Rate, config.Seed = cmd.For, cmd.Rate, rand.Uint64()
	shown := 0
	config.Show = func(p soak.Progress) {
		if shown++; a.errTTY {
			fmt.Fprint(a.err, "\r\x1b[K"+soaking(p, cmd.For))
		} else if shown%soakLines == 0 {
			fmt.Fprintln(a.err, soaking(p, cmd.For))
		}
	}
	config.Verify = func(ctx context.Context) (int, error) {
		result, err := verifyCmd{foldAccess: cmd.foldAccess}.result(a.with(ctx))
		return result.Count, err
	}
	report, err := soak.Run(a.ctx, config)
	if a.errTTY {
		fmt.Fprint(a.err, "\r\x1b[K")
	}
	if err != nil {
		return err
	}
	if cmd.JSON {
		err = printJSON(a.out, []soak.Report{report})
	} else {
		a.printSoak(report)
	}
	return errors.Join(err, report.Err())
}

// soakLines is how many samples have a line where lines do not change: ten lines in all.
const soakLines = soak.DefaultSamples / 10

func soaking(p soak.Progress, asked time.Duration) string {
	return fmt.Sprintf("soaking %s of %s: %d jobs, %d tickers, %.0f events, %.0f of them not recorded yet",
		span(p.Elapsed), span(asked), p.Work.Jobs, p.Work.Tickers, p.Events, p.Lag)
}

func (a *app) printSoak(r soak.Report) {
	t := newTable("SERIES", ">FIRST THIRD", ">SECOND", ">LAST", "VERDICT")
	for _, v := range r.Series {
		verdict := "steady"
		if v.Grows {
			verdict = "GROWS"
		} else if v.Samples < soak.FewestSamples {
			verdict = "too few samples"
		}
		t.add(v.Name, amount(v.First, v.Unit), amount(v.Second, v.Unit), amount(v.Last, v.Unit), verdict)
	}
	t.write(a.out, nil)
	w := r.Work
	fmt.Fprintf(a.out, "\njobs        %d accepted, %d ended: %d tickers, %d of them failed; %d jobs cancelled, %d retried, %d sent twice\nevents      %.0f\nsamples     %d, %d missed\ndifferences %d\nwrong       %d\n",
		w.Accepted, w.Jobs, w.Tickers, w.Failed, w.Cancelled, w.Retried, w.Repeated, r.Events, r.Samples, r.Missed, r.Differences, r.Wrongs)
	for _, text := range r.Texts {
		fmt.Fprintln(a.out, " ", oneLine(text, 300))
	}
	lasted := "soaked " + span(r.Elapsed)
	if r.Elapsed.Round(time.Second) < r.Asked.Round(time.Second) {
		lasted += " of the " + span(r.Asked) + " asked for"
	}
	fmt.Fprintln(a.out, lasted)
	if r.Elapsed < soak.Short {
		fmt.Fprintf(a.err, "a soak below %s only finds what grows fast\n", span(soak.Short))
	}
}

// span is a time in words: 1 h 5 m.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	var words []string
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if n := d / unit.of; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, unit.name))
			d -= n * unit.of
		}
	}
	if len(words) == 0 {
		return "0 s"
	}
	return strings.Join(words, " ")
}

// amount is a number of a series with its unit.
func amount(value float64, unit soak.Unit) string {
	if unit == soak.Bytes && value >= 10<<20 {
		return fmt.Sprintf("%.1f MiB", value/(1<<20))
	}
	return fmt.Sprintf("%.0f", value)
}
