package postgres

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/query"
)

// Writer implements store.Recording. It has one connection of its own, opened
// by the first call and again by the call after one that lost it, so that no
// read can starve it. One goroutine calls it at a time; Reading is for any.
type Writer struct {
	options Options
	config  *pgx.ConnConfig
	log     *slog.Logger
	schema  string
	inserts inserts
	loads   *query.Reader
	reading *Reader // nil in a shadow

	// conn is nil before the first call and after a failed one. Owned by the
	// goroutine that calls the methods.
	conn *pgx.Conn
}

var _ store.Recording = (*Writer)(nil)

// OpenRecording returns a Writer of the tables that options.URL leads to. It
// does not connect. Migrate comes before everything else.
func OpenRecording(options Options) (*Writer, error) {
	w, err := newWriter(options, Schema)
	if err != nil {
		return nil, err
	}
	w.reading, err = OpenReading(options)
	return w, err
}

func newWriter(options Options, schema string) (*Writer, error) {
	config, err := options.connConfig(schema, map[string]string{
		"statement_timeout": milliseconds(WriteTimeout),
		"lock_timeout":      milliseconds(LockTimeout),
	})
	if err != nil {
		return nil, err
	}
	w := &Writer{options: options, config: config, log: options.logger(), schema: schema, inserts: newInserts()}
	w.loads = query.New(owned{w}, now)
	return w, nil
}

// Reading implements store.Recording.
func (w *Writer) Reading() store.Reading { return w.reading }

// Load implements store.Writer.
func (w *Writer) Load(ctx context.Context, jobIDs []string) ([]store.State, error) {
	return w.loads.Load(ctx, jobIDs)
}

// Close implements store.Recording. The lease stays: Release it before.
func (w *Writer) Close() error {
	w.disconnect()
	if w.reading == nil {
		return nil
	}
	return w.reading.Close()
}

// disconnect closes the connection, if there is one.
func (w *Writer) disconnect() {
	if w.conn == nil {
		return
	}
	shut(w.conn)
	w.conn = nil
}

// call runs one call of the port on the connection, bounded in time, and
// drops the connection if it cannot serve another.
func (w *Writer) call(ctx context.Context, doing string, f func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, WriteTimeout)
	defer cancel()
	err := w.connect(ctx)
	if err == nil {
		err = f(ctx, w.conn)
		if !usable(w.conn) {
			w.disconnect()
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// connect opens the connection, if it is not open.
func (w *Writer) connect(ctx context.Context) error {
	if w.conn != nil && !w.conn.IsClosed() {
		return nil
	}
	conn, err := dial(ctx, w.config)
	if err != nil {
		return err
	}
	if err := prepareWriting(ctx, conn); err != nil {
		shut(conn)
		return err
	}
	w.conn = conn
	return nil
}

// prepareWriting sees to it that commits are durable when they return, also
// where the server's configuration gave that up, and that the tables fit.
func prepareWriting(ctx context.Context, conn *pgx.Conn) error {
	const durable = `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`
	if _, err := conn.Exec(ctx, durable); err != nil {
		return fmt.Errorf("setting synchronous_commit: %w", err)
	}
	return checkSchema(ctx, conn)
}
