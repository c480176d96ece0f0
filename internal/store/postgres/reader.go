package postgres

import (
	"context"
	"fmt"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/query"
)

// Reader implements store.Reading on a pool of connections that the server
// keeps from writing. It is safe for concurrent use.
type Reader struct {
	*query.Reader // all reads but Dump

	dumps *query.Reader
	pool  *pool
}

var _ store.Reading = (*Reader)(nil)

// OpenReading returns a Reader of the tables that options.URL leads to. It
// does not connect: reads and Ping do, and fail with store.ErrNoDatabase or
// store.ErrSchema as long as there are no tables that fit. Close it, also if
// it was never used.
func OpenReading(options Options) (*Reader, error) {
	config, err := options.poolConfig(Schema, map[string]string{
		"default_transaction_read_only": "on",
		"statement_timeout":             milliseconds(StatementTimeout),
	})
	if err != nil {
		return nil, err
	}
	pool, err := newPool(config)
	if err != nil {
		return nil, err
	}
	return &Reader{
		Reader: query.New(pooled{pool, beginSQL, ReadTimeout}, now),
		dumps:  query.New(pooled{pool, unboundedSQL, longTimeout}, now),
		pool:   pool,
	}, nil
}

// Dump implements store.Dumper. It takes as long as it takes to read all rows,
// and for as long no rebuild can be swapped in.
func (r *Reader) Dump(ctx context.Context, emit func(table, key string, row []byte) error) (store.Position, error) {
	return r.dumps.Dump(ctx, emit)
}

// Ping implements store.Reading: it asks the server, within ReadTimeout,
// whether the tables are there and fit this program.
func (r *Reader) Ping(ctx context.Context) error {
	ctx, cancel := r.pool.bound(ctx, ReadTimeout)
	defer cancel()
	if err := r.ping(ctx); err != nil {
		return fmt.Errorf("asking the database: %w", err)
	}
	return nil
}

func (r *Reader) ping(ctx context.Context) error {
	conn, err := r.pool.get(ctx)
	if err != nil {
		return err
	}
	defer r.pool.put(conn)
	return checkSchema(ctx, conn.Conn())
}

// Close implements store.Reading.
func (r *Reader) Close() error {
	r.pool.close()
	return nil
}
