package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tapedeck/tapedeck/internal/store"
)

// Shadow implements store.Shadow: a Writer on the tables of a second schema,
// with a connection of its own. The caller of the Writer that made it calls it.
type Shadow struct {
	*Writer
}

var _ store.Shadow = (*Shadow)(nil)

// Shadow implements store.Rebuilder.
func (w *Writer) Shadow(ctx context.Context) (store.Shadow, error) {
	writer, err := newWriter(w.options, shadowSchema)
	if err != nil {
		return nil, err
	}
	shadow := &Shadow{writer}
	if err := shadow.make(ctx); err != nil {
		return nil, fmt.Errorf("making a shadow: %w", err)
	}
	return shadow, nil
}

func (s *Shadow) make(ctx context.Context) error {
	if err := s.drop(ctx, shadowSchema, oldSchema); err != nil {
		return err
	}
	return s.Migrate(ctx, func(string) {}) // of an empty schema: nothing to tell
}

// drop removes schemas with all that is in them, on a connection of its own.
func (s *Shadow) drop(ctx context.Context, schemas ...string) error {
	ctx, cancel := context.WithTimeout(ctx, longTimeout)
	defer cancel()
	conn, err := dialLong(ctx, s.config)
	if err != nil {
		return err
	}
	defer shut(conn)
	for _, name := range schemas {
		if _, err := conn.Exec(ctx, `DROP SCHEMA IF EXISTS `+quoted(name)+` CASCADE`); err != nil {
			return fmt.Errorf("dropping the schema %s: %w", name, err)
		}
	}
	return nil
}

// Discard implements store.Shadow.
func (s *Shadow) Discard(ctx context.Context) error {
	s.disconnect()
	if err := s.drop(ctx, shadowSchema); err != nil {
		return fmt.Errorf("discarding the shadow: %w", err)
	}
	return nil
}

// Swap implements store.Shadow. Reads in progress end before it and reads that
// come meanwhile wait for it: each of its attempts waits no longer than
// swapLockTimeout. If the answer to its COMMIT is lost, the error leaves open
// whether it happened, as with Commit.
func (s *Shadow) Swap(ctx context.Context, live store.Lease) error {
	if err := s.call(ctx, "granting reads", func(ctx context.Context, conn *pgx.Conn) error {
		return grant(ctx, conn, shadowSchema, s.options.readerRole())
	}); err != nil {
		return fmt.Errorf("swapping the shadow in: %w", err)
	}
	if err := s.swapPatiently(ctx, live); err != nil {
		return err
	}
	s.disconnect() // its search_path leads nowhere now
	if err := s.drop(ctx, oldSchema); err != nil {
		s.log.Warn("the tables from before the rebuild are still there; the next rebuild removes them", "err", err)
	}
	return nil
}

func (s *Shadow) swapPatiently(ctx context.Context, live store.Lease) error {
	for attempt := 1; ; attempt++ {
		err := s.call(ctx, "swapping the shadow in", func(ctx context.Context, conn *pgx.Conn) error {
			return swap(ctx, conn, live)
		})
		if sqlState(err) != lockNotAvailable {
			return err
		}
		if attempt == swapAttempts {
			return fmt.Errorf("reads are in progress that do not end (a dump, a backup): try again when they have ended: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(swapPause):
		}
	}
}

// lockSQL takes the lock that keeps readers out (see beginSQL) and recorders
// from moving the checkpoint.
const lockSQL = `LOCK TABLE ` + Schema + `.checkpoint IN ACCESS EXCLUSIVE MODE`

// compareSQL is true if the lease is the caller's and both positions are the
// one that its holder stands at.
const compareSQL = `
SELECT live.owner = $1 AND live.epoch = $2
   AND (live.stream, live.stream_created, live.seq, live.anchor) = ($3, $4, $5, $6)
   AND (shadow.stream, shadow.stream_created, shadow.seq, shadow.anchor) = ($3, $4, $5, $6)
FROM ` + Schema + `.checkpoint live, ` + shadowSchema + `.checkpoint shadow
WHERE live.id = 1 AND shadow.id = 1`

// What is not folded from the tape moves over from the live tables.
const (
	moveLeaseSQL = `
UPDATE ` + shadowSchema + `.checkpoint shadow
SET owner = live.owner, epoch = live.epoch, lease_until = live.lease_until
FROM ` + Schema + `.checkpoint live WHERE live.id = 1 AND shadow.id = 1`
	moveRecoveriesSQL = `INSERT INTO ` + shadowSchema + `.recoveries SELECT * FROM ` + Schema + `.recoveries`
	renameLiveSQL     = `ALTER SCHEMA ` + Schema + ` RENAME TO ` + oldSchema
	renameShadowSQL   = `ALTER SCHEMA ` + shadowSchema + ` RENAME TO ` + Schema
)

func swap(ctx context.Context, conn *pgx.Conn, live store.Lease) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // does nothing after the commit
	for _, sql := range []string{`SET LOCAL lock_timeout = ` + milliseconds(swapLockTimeout), lockSQL} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	at := live.Position
	var equal bool
	if err := tx.QueryRow(ctx, compareSQL, live.Owner, live.Epoch, at.Stream,
		store.CreatedNanos(at.Created), int64(at.Seq), at.Anchor).Scan(&equal); err != nil {
		return err
	}
	if !equal {
		return store.ErrFenced
	}
	for _, sql := range []string{moveLeaseSQL, moveRecoveriesSQL, renameLiveSQL, renameShadowSQL} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}
