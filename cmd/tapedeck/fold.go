package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// foldAccess is what the commands share that fold the tape: they ask the
// recorder that runs, or work themselves while none does.
type foldAccess struct {
	tapeAccess
	databaseAccess
	Offline bool `help:"Work in this process, because no recorder runs on the external server."`
	JSON    bool `name:"json" help:"Print JSON."`
}

// An offline is the tape and the database of a command that works itself.
type offline struct {
	recorder.Offline
	database store.Recording
	conn     *tapeConn
}

// alone reports whether the command works itself.
func (f foldAccess) alone(c *tapeConn) bool { return f.Offline || !c.running() }

func (f foldAccess) openOffline(a *app, c *tapeConn) (*offline, error) {
	database, err := f.openWriter(a, f.dataDir)
	if err != nil {
		return nil, err
	}
	if err := database.Migrate(a.ctx, func(line string) { fmt.Fprintln(a.err, line) }); err != nil {
		return nil, errors.Join(fmt.Errorf("migrating the database: %w", err), database.Close())
	}
	return &offline{
		Offline: recorder.Offline{
			Log: a.log, Store: database, Tape: recorder.OnStream(stream.NewTape(c.js, a.log)), Owner: "tapedeck-" + uuid.NewString(),
			Rows: database.Reading(),
		},
		database: database,
		conn:     c,
	}, nil
}

// ask sends a request to the recorder and shows its progress.
func (f foldAccess) ask(a *app, c *tapeConn, verb string, request, answer any) error {
	text, err := control(a.ctx, c, verb, request, func(text []byte) {
		var p recorder.FoldProgress
		if json.Unmarshal(text, &p) == nil {
			a.showFold(p)
		}
	})
	a.endFold()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("reading the recorder's answer: %w", err)
	}
	return nil
}

// showFold shows how far a fold has come: one line that changes in a terminal.
func (a *app) showFold(p recorder.FoldProgress) {
	if a.errTTY {
		fmt.Fprintf(a.err, "\r\x1b[Kfolding %d of %d", p.Seq, p.Last)
	}
}

func (a *app) endFold() {
	if a.errTTY {
		fmt.Fprint(a.err, "\r\x1b[K")
	}
}

type rebuildCmd struct {
	foldAccess
	AcceptMissing bool `help:"Rebuild from a tape that lost its beginning: what came from there is gone from the tables too."`
}

// Run folds the tape into new tables and swaps them in.
func (cmd rebuildCmd) Run(a *app) error {
	c, err := cmd.open(a)
	if err != nil {
		return err
	}
	defer c.close()
	request := recorder.RebuildRequest{AcceptMissing: cmd.AcceptMissing}
	var result recorder.RebuildResult
	if cmd.alone(c) {
		result, err = cmd.rebuild(a, c, request)
	} else {
		err = cmd.ask(a, c, stream.VerbRebuild, request, &result)
	}
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.out, []recorder.RebuildResult{result})
	}
	fmt.Fprintf(a.out, "rebuilt to sequence %d: %d events in %s\n", result.Seq, result.Events, result.Elapsed.Round(time.Millisecond))
	return nil
}

func (cmd rebuildCmd) rebuild(a *app, c *tapeConn, request recorder.RebuildRequest) (recorder.RebuildResult, error) {
	off, err := cmd.openOffline(a, c)
	if err != nil {
		return recorder.RebuildResult{}, err
	}
	defer off.database.Close()
	defer a.endFold()
	return recorder.Rebuild(a.ctx, off.Offline, request, a.showFold)
}

type verifyCmd struct {
	foldAccess
	AcceptMissing bool `help:"Of a tape that lost its beginning compare what the rest can tell, and say what it cannot."`
}

func (cmd verifyCmd) request() recorder.VerifyRequest {
	return recorder.VerifyRequest{AcceptMissing: cmd.AcceptMissing}
}

// Run folds the tape again and compares every row; it exits with 1 if any differs.
func (cmd verifyCmd) Run(a *app) error {
	result, err := cmd.result(a)
	if err != nil {
		return err
	}
	return printVerified(a, result, cmd.JSON)
}

// result is what the recorder finds that runs, or this process while none does.
func (cmd verifyCmd) result(a *app) (result recorder.VerifyResult, err error) {
	c, err := cmd.open(a)
	if err != nil {
		return result, err
	}
	defer c.close()
	if cmd.alone(c) {
		return cmd.verify(a, c)
	}
	err = cmd.ask(a, c, stream.VerbVerify, cmd.request(), &result)
	return result, err
}

func (cmd verifyCmd) verify(a *app, c *tapeConn) (recorder.VerifyResult, error) {
	reading, err := cmd.openReader(a, cmd.dataDir)
	if err != nil {
		return recorder.VerifyResult{}, err
	}
	defer reading.Close()
	if err := dsn.RemoveDeadScratch(); err != nil {
		a.log.Warn("room on the disk is lost", "err", err)
	}
	scratch, remove, err := dsn.Scratch(a.ctx)
	if err != nil {
		return recorder.VerifyResult{}, err
	}
	defer remove()
	defer a.endFold()
	tape := recorder.OnStream(stream.NewTape(c.js, a.log))
	return recorder.Verify(a.ctx, recorder.VerifyConfig{
		Tape: tape, Live: reading, Where: reading, Scratch: scratch, VerifyRequest: cmd.request(),
	}, a.showFold)
}

func printVerified(a *app, result recorder.VerifyResult, asJSON bool) error {
	if asJSON {
		if err := printJSON(a.out, []recorder.VerifyResult{result}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.out, "verified    %d rows as of sequence %d\nsha256      %s\ndifferences %d\n", result.Rows-result.NotCompared, result.Seq, result.SHA256, result.Count)
		if unverified := result.Unverified(); unverified != "" {
			fmt.Fprintf(a.out, "unverified  %s\n", unverified)
		}
		for _, difference := range result.Differences {
			fmt.Fprintln(a.out, difference)
		}
	}
	switch {
	case result.Count > 0 && result.First > 1:
		return exitError{exitFailure, fmt.Sprintf("%d rows are not what the tape says; it lost its beginning, "+
			"so first back the tables up: `tapedeck rebuild --accept-missing` makes those anew that it holds whole", result.Count)}
	case result.Count > 0:
		return exitError{exitFailure, fmt.Sprintf("%d rows are not what the tape says; `tapedeck rebuild` makes them anew", result.Count)}
	}
	return nil
}

type recoverCmd struct {
	foldAccess
	AcceptLoss bool `help:"Save the tables, record what is given up, and go on with the tape as it is."`
}

// Run brings database and tape together after the tape was damaged or lost.
func (cmd recoverCmd) Run(a *app) error {
	if !cmd.AcceptLoss {
		return usage("recover gives up what the tape has lost; look with `tapedeck doctor`, stop every recorder, and say --accept-loss")
	}
	c, err := cmd.open(a)
	if err != nil {
		return err
	}
	defer c.close()
	if c.running() && !cmd.Offline {
		return usage("recover needs every recorder stopped; on an external server say --offline once they are")
	}
	off, err := cmd.openOffline(a, c)
	if err != nil {
		return err
	}
	defer off.database.Close()
	defer a.endFold()
	loss, err := recorder.AcceptLoss(a.ctx, recorder.RecoverConfig{
		Offline:  off.Offline,
		Recovery: off.database,
		Begin:    func(ctx context.Context, first uint64) error { return stream.BeginTape(ctx, c.js, first) },
	}, a.showFold)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.out, []recorder.Loss{loss})
	}
	fmt.Fprintf(a.out, "recovered: %s\nthe tables stood at sequence %d and go on at %d\nthe tables from before are saved in %s\n", loss.Reason, loss.Old.Seq, loss.New.Seq, loss.Saved)
	return nil
}
