package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/query"
)

// now is the database's clock in milliseconds.
const now = `CAST(unixepoch('subsec') * 1000 AS INTEGER)`

// Reader implements store.Reading. It is safe for concurrent use.
type Reader struct {
	*query.Reader
	snapshots *snapshots
}

var _ store.Reading = (*Reader)(nil)

// OpenReader prepares reading of the database at path, which need not be
// there yet (see store.Reading).
func OpenReader(path string) *Reader {
	s := &snapshots{path: path, look: current}
	return &Reader{Reader: query.New(s, now), snapshots: s}
}

// Ping implements store.Reading.
func (r *Reader) Ping(ctx context.Context) error {
	return r.snapshots.Read(ctx, func(query.Tx) error { return nil })
}

// Close implements store.Reading.
func (r *Reader) Close() error {
	s := r.snapshots
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.retire()
	return nil
}

var errClosed = errors.New("the database is closed")

// snapshots gives snapshots of the generation that the link leads to.
type snapshots struct {
	path string
	look func(path string) (file string, err error) // current

	mu     sync.Mutex // guards the rest, and users of pools
	pool   *pool      // nil before the first read
	closed bool
}

// A pool is the connections to one generation.
type pool struct {
	file    string
	db      *sql.DB
	users   int  // reads under way
	retired bool // to be closed by its last user
}

// Read implements query.Snapshotter.
func (s *snapshots) Read(ctx context.Context, f func(query.Tx) error) error {
	p, tx, err := s.begin(ctx)
	if err != nil {
		return cause(ctx, err)
	}
	defer s.put(p)
	defer tx.Rollback() // it changed nothing
	return cause(ctx, f(snapshot{tx}))
}

// begin takes a snapshot of the tables that the link leads to. A rebuild may
// remove a file after the link was looked at and before it is opened: then the
// link leads elsewhere by now, and is followed again.
func (s *snapshots) begin(ctx context.Context) (p *pool, tx *sql.Tx, err error) {
	file, err := s.look(s.path)
	for range reopenings {
		if err != nil {
			return nil, nil, err
		}
		if p, err = s.get(ctx, file); err == nil {
			if tx, err = begin(ctx, p.db); err == nil {
				return p, tx, nil
			}
			s.put(p)
		}
		again, e := s.look(s.path)
		if e != nil || again == file {
			return nil, nil, err
		}
		file, err = again, nil
	}
	return nil, nil, errors.New("the database is replaced faster than it can be opened")
}

// begin starts a transaction and takes its snapshot, which BEGIN alone does not.
func begin(ctx context.Context, db *sql.DB) (*sql.Tx, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	var one int
	if err := tx.QueryRowContext(ctx, `SELECT 1 FROM checkpoint`).Scan(&one); err != nil {
		_ = tx.Rollback()
		return nil, err
	}
	return tx, nil
}

// get is the pool of a generation, opened and checked if need be.
func (s *snapshots) get(ctx context.Context, file string) (*pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.pool == nil || s.pool.file != file {
		db, err := openChecked(ctx, file)
		if err != nil {
			return nil, err
		}
		s.retire()
		s.pool = &pool{file: file, db: db}
	}
	s.pool.users++
	return s.pool, nil
}

func (s *snapshots) put(p *pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.users--
	p.closeIfDone()
}

// retire ends the present pool once its reads have ended. mu is held.
func (s *snapshots) retire() {
	if s.pool != nil {
		s.pool.retired = true
		s.pool.closeIfDone()
		s.pool = nil
	}
}

func (p *pool) closeIfDone() {
	if p.retired && p.users == 0 {
		_ = p.db.Close() // read-only connections: there is nothing to lose
	}
}

// openChecked opens a file to read if its tables are ones for this program.
func openChecked(ctx context.Context, file string) (*sql.DB, error) {
	db, err := openToRead(file)
	if err != nil {
		return nil, err
	}
	if err := check(ctx, db); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

// snapshot is query.Tx on a transaction.
type snapshot struct{ tx *sql.Tx }

// Query implements query.Tx.
func (s snapshot) Query(ctx context.Context, text string, args ...any) (query.Rows, error) {
	rows, err := s.tx.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("asking the database: %w", err)
	}
	return rows, nil
}
