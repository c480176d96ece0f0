package store

import "context"

// Reading is an opened database for those who only read: the api, the CLI.
//
// Opening one does not need the database to be there: until a recorder has
// made it, reads and Ping fail with ErrNoDatabase (or ErrSchema while it waits
// for a migration), and succeed afterwards without opening again.
type Reading interface {
	Reader
	BacktestReader
	Backlog
	Remainder
	Dumper
	// Ping asks whether reads can succeed now.
	Ping(ctx context.Context) error
	// Close ends the reads that are under way and frees what they used.
	Close() error
}

// Recording is an opened database for the recorder.
type Recording interface {
	Writer
	Rebuilder
	Recovery
	// Reading reads the same database; it closes with its Recording.
	Reading() Reading
	// Migrate brings the tables forward, under a lock that keeps a second
	// migrator out, and says each step in a line. It makes the tables of a new
	// database. It comes before everything else: without it Acquire fails with
	// ErrNoDatabase or ErrSchema. ErrSchema if the tables are of a newer
	// program that excludes this one.
	Migrate(ctx context.Context, say func(line string)) error
	// Close frees the database. It does not release the lease.
	Close() error
}

// A Scratch is an empty database into which a verification folds the tape.
type Scratch interface {
	Writer
	Dumper
}
