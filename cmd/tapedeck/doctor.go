package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/natsd"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/stream"
)

type doctorCmd struct {
	tapeAccess
	config.Monitor
	databaseAccess
	config.Strategies
	JSON bool `name:"json" help:"Print JSON, an object per line."`
}

// A finding is what doctor says of one part.
type finding struct {
	Part   string `json:"part"`
	State  string `json:"state"` // ok, warning or broken
	Detail string `json:"detail"`
}

const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateBroken  = "broken"
)

const (
	// doctorTime bounds each look, so that a hanging part is reported.
	doctorTime = 5 * time.Second
	// doctorRows is how many poisoned events are shown.
	doctorRows = 5
	// fillWarning is the fill of the tape, in percent, from which it is worth a
	// warning: the api refuses new jobs from 80 on.
	fillWarning = 70
	// diskWarning is the free space from which on it is worth a warning: a run
	// over the whole market, tape and tables, before new jobs are refused.
	diskWarning = 512 << 20
)

// Run looks at the tape, the recorder and the database.
func (cmd doctorCmd) Run(a *app) error {
	var findings []finding
	say := func(part, state, format string, args ...any) {
		findings = append(findings, finding{part, state, fmt.Sprintf(format, args...)})
	}
	last := cmd.tape(a, say)
	cmd.database(a, last, say)
	cmd.strategies(say)
	if err := cmd.print(a, findings); err != nil {
		return err
	}
	for _, f := range findings {
		if f.State == stateBroken {
			return exitError{exitFailure, ""}
		}
	}
	return nil
}

func (cmd doctorCmd) print(a *app, findings []finding) error {
	if cmd.JSON {
		return printJSON(a.out, findings)
	}
	t := newTable("STATE", "PART", "DETAIL")
	for _, f := range findings {
		t.add(f.State, f.Part, f.Detail)
	}
	t.write(a.out, nil)
	return nil
}

// tape looks at the streams and the recorder, and returns the tape's last sequence.
func (cmd doctorCmd) tape(a *app, say func(part, state, format string, args ...any)) uint64 {
	c, err := cmd.open(a)
	if err != nil {
		say("nats", stateBroken, "%v", err)
		return 0
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(a.ctx, doctorTime)
	defer cancel()
	if c.embedded {
		dir, _ := cmd.path() // it was found when c was opened
		say("data", stateOK, "%s; --data names another directory", dir)
		say("nats", stateOK, "embedded server, every write is synced (sync_interval: always)")
		cmd.disk(dir, say)
	} else {
		cmd.external(ctx, a, c, say)
	}
	state, err := stream.NewTape(c.js, a.log).State(ctx)
	if err != nil {
		say("tape", stateBroken, "%v; run `tapedeck provision` if it was never made", err)
		return 0
	}
	fill := 100 * float64(state.Bytes) / float64(max(state.MaxBytes, 1))
	remedy := "raise it with `tapedeck provision --tape-max-bytes`"
	if c.embedded {
		remedy = "it is fixed in the embedded server: move to an external one"
	}
	switch {
	case state.MaxBytes > 0 && fill >= fillWarning:
		say("tape", stateWarning, "%.0f %% full (%d of %d bytes), and from 80 %% on new jobs are refused; of the limit: %s", fill, state.Bytes, state.MaxBytes, remedy)
	case state.First > 1:
		say("tape", stateWarning, "begins at sequence %d: what came before is gone, and a rebuild would lack it", state.First)
	default:
		say("tape", stateOK, "sequences %d to %d, %.1f %% full", state.First, state.Last, fill)
	}
	if _, err := stream.NewWork(c.js, a.log).Lane(ctx, stream.LaneSmall); err != nil {
		say("work", stateWarning, "%v; the recorder makes it again within half a minute", err)
	} else {
		say("work", stateOK, "the queue and its lanes are there")
	}
	cmd.buckets(ctx, a, c, say)
	cmd.recorder(ctx, c, say)
	return state.Last
}

// disk looks at the room that the embedded server has.
func (cmd doctorCmd) disk(dir string, say func(part, state, format string, args ...any)) {
	free, err := natsd.FreeBytes(dir)
	switch {
	case err != nil:
		say("disk", stateWarning, "%v", err)
	case free < natsd.ReservedBytes:
		say("disk", stateBroken, "%d MiB free: below %d new jobs are refused; make room, and it goes on by itself", free>>20, natsd.ReservedBytes>>20)
	case free < diskWarning:
		say("disk", stateWarning, "%d MiB free: below %d new jobs are refused", free>>20, natsd.ReservedBytes>>20)
	default:
		say("disk", stateOK, "%d MiB free", free>>20)
	}
}

// external looks at what only the monitoring port of a server tells: whether it
// syncs every write, and whether it can write.
func (cmd doctorCmd) external(ctx context.Context, a *app, c *tapeConn, say func(part, state, format string, args ...any)) {
	monitor, url := stream.Monitor{URLs: cmd.NATSMonitor}, c.nc.ConnectedUrlRedacted()
	profile, err := stream.NewTape(c.js, a.log).SyncProfile(ctx, monitor)
	switch {
	case errors.Is(err, stream.ErrNoStream): // said of the tape
		say("nats", stateOK, "connected to %s", url)
	case err != nil:
		say("nats", stateBroken, "connected to %s; whether it syncs every write: %v", url, err)
	case profile == stream.SyncAlways:
		say("nats", stateOK, "connected to %s, every write is synced (sync_interval: always)", url)
	case profile != "":
		say("nats", stateBroken, "connected to %s; a power failure takes what the tape acknowledged (%s): files and sync_interval: always keep it", url, profile)
	default:
		say("nats", stateOK, "connected to %s; whether it syncs every write (sync_interval: always), and whether it can write, only its monitoring port says: --nats-monitor http://HOST:8222", url)
	}
	if !monitor.Known() {
		return
	}
	if err := monitor.Health(ctx); err != nil {
		say("disk", stateBroken, "%v", err)
		return
	}
	say("disk", stateOK, "nats-server is healthy: it can write")
}

// buckets looks at what analyzers share of their market data.
func (cmd doctorCmd) buckets(ctx context.Context, a *app, c *tapeConn, say func(part, state, format string, args ...any)) {
	for _, bucket := range []*stream.Bucket{stream.NewMarketBucket(c.js, a.log), stream.NewBarsBucket(c.js, a.log)} {
		if _, err := bucket.Clock(ctx); err != nil {
			say("buckets", stateWarning, "%v; until then analyzers with --market yahoo or downloads do not start", err)
			return
		}
	}
	say("buckets", stateOK, "analyzers can share rates and bars")
}

func (cmd doctorCmd) recorder(ctx context.Context, c *tapeConn, say func(part, state, format string, args ...any)) {
	if !c.running() {
		say("recorder", stateWarning, "not running: nothing is recorded until `tapedeck up`")
		return
	}
	answer, err := control(ctx, c, stream.VerbStatus, struct{}{}, func([]byte) {})
	if err != nil {
		say("recorder", stateBroken, "%v", err)
		return
	}
	var status struct {
		Role  string `json:"role"`
		Lag   uint64 `json:"lag"`
		Error string `json:"error"`
	}
	switch err := json.Unmarshal(answer, &status); {
	case err != nil:
		say("recorder", stateBroken, "reading its status: %v", err)
	case status.Error != "":
		say("recorder", stateBroken, "%s", status.Error)
	default:
		say("recorder", stateOK, "%s, %d events behind the tape", status.Role, status.Lag)
	}
}

func (cmd doctorCmd) database(a *app, last uint64, say func(part, state, format string, args ...any)) {
	reading, err := cmd.openReader(a, cmd.dataDir)
	if err != nil {
		say("database", stateBroken, "%v", err)
		return
	}
	defer reading.Close()
	ctx, cancel := context.WithTimeout(a.ctx, doctorTime)
	defer cancel()
	position, err := reading.Position(ctx)
	if err != nil {
		say("database", stateBroken, "%v", err)
		return
	}
	standing, err := reading.Standing(ctx)
	if err != nil {
		say("database", stateBroken, "%v", err)
		return
	}
	switch {
	case last > 0 && position.Seq > last:
		say("database", stateBroken, "recorded to %d, the tape ends at %d: they do not belong together; see `tapedeck recover`", position.Seq, last)
	default:
		say("database", stateOK, "schema %d, recorded to %d of %d, lease of %s", standing.SchemaVersion, position.Seq, last, orNone(standing.Owner))
	}
	cmd.poison(ctx, reading, say)
	cmd.overdue(ctx, reading, say)
}

// strategies looks at the users' folder of strategies, if one is named.
func (cmd doctorCmd) strategies(say func(part, state, format string, args ...any)) {
	own, err := openStrategies(cmd.Strategies)
	switch {
	case err != nil:
		say("strategies", stateBroken, "%v", err)
		return
	case own == nil:
		return
	}
	defer own.Close()
	list, broken := own.List()
	for _, err := range broken {
		say("strategies", stateWarning, "%s", oneLine(err.Error(), 300))
	}
	if len(broken) == 0 {
		say("strategies", stateOK, "%d of your own in %s, and %d built in", len(list), cmd.Strategies.Strategies, len(strategy.Builtins()))
	}
}

func (cmd doctorCmd) poison(ctx context.Context, reading store.Backlog, say func(part, state, format string, args ...any)) {
	rows, count, err := reading.Poisoned(ctx, doctorRows)
	switch {
	case err != nil:
		say("poison", stateBroken, "%v", err)
	case count == 0:
		say("poison", stateOK, "every event could be recorded")
	default:
		say("poison", stateWarning, "%d events could not be recorded and stand in table poison; the newest:", count)
		for _, row := range rows {
			say("poison", stateWarning, "  seq %d, %s: %s", row.Seq, oneLine(row.Subject, 60), oneLine(row.Reason, 100))
		}
	}
}

func (cmd doctorCmd) overdue(ctx context.Context, reading store.Backlog, say func(part, state, format string, args ...any)) {
	jobs, err := reading.Unfinished(ctx, store.MaxPage)
	if err != nil {
		say("jobs", stateBroken, "%v", err)
		return
	}
	overdue := 0
	for _, job := range jobs.Items {
		if time.Now().After(job.Deadline.Add(time.Minute)) {
			overdue++
		}
	}
	if overdue > 0 {
		say("jobs", stateWarning, "%d of %d active jobs are past their deadline: is the recorder running?", overdue, len(jobs.Items))
		return
	}
	say("jobs", stateOK, "%d active, none past its deadline", len(jobs.Items))
}
