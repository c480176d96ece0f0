package standalone

import (
	"context"

	"github.com/google/uuid"

	"github.com/tapedeck/tapedeck/internal/daemon"
	"github.com/tapedeck/tapedeck/internal/reconciler"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// recorder is the recorder's process: recording, and, while it leads, the
// reconciler and the answers to control requests.
func (d *Deck) recorder(ctx context.Context) ([]daemon.Part, error) {
	js, err := d.connect(ctx, stream.RoleRecorder)
	if err != nil {
		return nil, err
	}
	tape := stream.NewTape(js, d.log)
	if d.server == nil {
		if err := tape.RequireDurable(ctx, d.cfg.Monitor, d.cfg.AcceptLoss); err != nil {
			return nil, err
		}
	}
	record := recorder.New(recorder.Config{
		Log: d.log, Store: d.writer, Reading: d.reading, Tape: recorder.OnStream(tape), Owner: d.owner(),
	})
	reconcile := reconciler.New(reconciler.Config{
		Log: d.log, Backlog: d.reading, Tape: tape, Work: stream.NewWork(js, d.log), Interval: d.cfg.ReconcileEvery,
	})
	if err := dsn.RemoveDeadScratch(); err != nil {
		d.log.Warn("room on the disk is lost", "err", err)
	}
	handlers := record.Handlers(dsn.Scratch)
	return []daemon.Part{
		{Name: "reconciler", Run: func(ctx context.Context) error { return record.WhileLeading(ctx, reconcile.Run) }},
		{Name: "control", Run: func(ctx context.Context) error {
			return record.WhileLeading(ctx, func(ctx context.Context) error { return stream.ServeControl(ctx, js.Conn(), handlers) })
		}},
		{Name: "recorder", Run: record.Run},
	}, nil
}

// owner is the name that the lease is held in. Where tape and database are both
// the data directory's own, the server's lock on it lets no second process in:
// then it is always the same name, so that a process that comes after a crash
// has the lease at once and does not wait until it has run out.
func (d *Deck) owner() string {
	if d.server != nil && d.cfg.DatabaseURL == "" {
		return "recorder-embedded"
	}
	return "recorder-" + uuid.NewString()
}
