package postgres

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/tapedeck/tapedeck/internal/store"
)

// holdSQL locks the checkpoint for the whole transaction, if lease and
// position are the caller's: copying may outlast the lease, and nobody can
// take it meanwhile.
const holdSQL = `
SELECT FROM checkpoint
WHERE id = 1 AND owner = $1 AND epoch = $2
  AND stream = $3 AND stream_created = $4 AND seq = $5 AND anchor = $6
FOR UPDATE`

// numberSQL is the number of the next recovery: above all recorded ones, and
// above all saved schemas, of which a restored backup may not know.
const numberSQL = `
SELECT 1 + greatest(
    (SELECT coalesce(max(number), 0) FROM recoveries),
    (SELECT coalesce(max(substring(nspname FROM '[0-9]{1,9}$')::bigint), 0)
     FROM pg_namespace WHERE nspname ~ ('^' || $1 || '[0-9]{1,9}$')))`

const recoverySQL = `
INSERT INTO recoveries (number, recovered_at, reason, saved,
    old_stream, old_stream_created, old_seq, old_anchor,
    new_stream, new_stream_created, new_seq, new_anchor)
SELECT $1, ` + now + `, $2, $3, stream, stream_created, seq, anchor, $4, $5, $6, $7
FROM checkpoint WHERE id = 1`

const repositionSQL = `
UPDATE checkpoint SET stream = $1, stream_created = $2, seq = $3, anchor = $4, lease_until = ` + now + ` + $5
WHERE id = 1`

// AcceptLoss implements store.Recovery: one transaction, which takes as long
// as it takes to copy all rows. The copy has no indexes and no grants.
func (w *Writer) AcceptLoss(ctx context.Context, lease store.Lease, position store.Position, reason string) (saved string, err error) {
	ctx, cancel := context.WithTimeout(ctx, longTimeout)
	defer cancel()
	conn, err := dialLong(ctx, w.config)
	if err != nil {
		return "", fmt.Errorf("accepting a loss: %w", err)
	}
	defer shut(conn)
	if err := checkSchema(ctx, conn); err != nil {
		return "", fmt.Errorf("accepting a loss: %w", err)
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return "", fmt.Errorf("accepting a loss: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // does nothing after the commit
	if saved, err = acceptLoss(ctx, tx, lease, position, reason); err != nil {
		return "", fmt.Errorf("accepting a loss: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		return "", fmt.Errorf("accepting a loss: %w", err)
	}
	return saved, nil
}

func acceptLoss(ctx context.Context, tx pgx.Tx, lease store.Lease, position store.Position, reason string) (string, error) {
	at := lease.Position
	if err := one(tx.Exec(ctx, holdSQL, lease.Owner, lease.Epoch, at.Stream,
		store.CreatedNanos(at.Created), int64(at.Seq), at.Anchor)); err != nil {
		return "", err
	}
	var number int64
	if err := tx.QueryRow(ctx, numberSQL, savedPrefix).Scan(&number); err != nil {
		return "", err
	}
	saved := savedPrefix + strconv.FormatInt(number, 10)
	if err := saveTables(ctx, tx, saved); err != nil {
		return "", err
	}
	next := []any{position.Stream, store.CreatedNanos(position.Created), int64(position.Seq), position.Anchor}
	if _, err := tx.Exec(ctx, recoverySQL, append([]any{number, reason, saved}, next...)...); err != nil {
		return "", err
	}
	_, err := tx.Exec(ctx, repositionSQL, append(next, lease.TTL.Milliseconds())...)
	return saved, err
}

// saveTables copies all tables into a new schema.
func saveTables(ctx context.Context, tx pgx.Tx, saved string) error {
	if _, err := tx.Exec(ctx, `CREATE SCHEMA `+quoted(saved)); err != nil {
		return fmt.Errorf("making the schema %s: %w", saved, err)
	}
	names := []string{"checkpoint", "recoveries", "migrations"}
	for _, table := range store.Tables() {
		names = append(names, table.Name)
	}
	for _, name := range names {
		if _, err := tx.Exec(ctx, `CREATE TABLE `+quoted(saved, name)+` AS TABLE `+quoted(Schema, name)); err != nil {
			return fmt.Errorf("saving the table %s: %w", name, err)
		}
	}
	return nil
}
