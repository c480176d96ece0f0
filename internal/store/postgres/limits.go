package postgres

import "time"

// StatementTimeout is how long the server works on one statement of a reader.
// The dearest read takes some milliseconds at ten million results; two seconds
// is a server in trouble, where every further wait makes it worse.
const StatementTimeout = 2 * time.Second

// ReadTimeout bounds a whole read: waiting for a connection, connecting and
// its few statements. A caller's context may be shorter.
const ReadTimeout = 5 * time.Second

// ReadConnections is how many connections a Reader opens when Options say
// nothing: a read takes about a millisecond, so eight serve thousands a second.
const ReadConnections = 8

// WriteTimeout bounds one call of a Writer. A commit of 500 events takes some
// 40 ms; a call that takes longer than a lease (3 s) has lost it anyway, and a
// connection into a black hole must not hold the recorder for ever.
const WriteTimeout = 10 * time.Second

// LockTimeout is how long a Writer or a migration waits for another's lock: a
// lock of ours is held for less than a commit, unless its holder is stuck.
const LockTimeout = 5 * time.Second

// connectTimeout bounds one attempt to connect to one address.
const connectTimeout = 3 * time.Second

// pingTimeout is how long an idle connection may take to show that it lives.
const pingTimeout = 500 * time.Millisecond

// pingAfter is how long a connection may have been idle without being asked
// whether it lives. A busy pool never asks.
const pingAfter = time.Second

// maxAge is when a reader's connection is replaced, so that the server's
// caches of a backend do not grow for ever and a moved server is followed.
const maxAge = 30 * time.Minute

// The keepalive of TCP finds a dead peer of an idle connection in about 30 s;
// the system's own default takes two hours.
const (
	keepAliveIdle     = 15 * time.Second
	keepAliveInterval = 5 * time.Second
	keepAliveCount    = 3
)

// idleInTransaction is when the server ends a connection that holds a
// transaction open without a word: a process that was stopped must not keep
// the locks by which a rebuild waits.
const idleInTransaction = 30 * time.Second

// swapLockTimeout is how long a swap waits for the reads in progress; reads
// that come after it wait behind it as long. swapAttempts times, with
// swapPause between, it is tried: each read ends by itself within ReadTimeout.
const (
	swapLockTimeout = 200 * time.Millisecond
	swapPause       = 50 * time.Millisecond
	swapAttempts    = 100
)

// longTimeout bounds what copies, migrates or drops whole tables.
const longTimeout = 2 * time.Hour

// migrationLock is the key of the advisory lock under which migrations run:
// "tapedeck" in ASCII, so that whoever sees it in pg_locks can tell.
const migrationLock = 0x7461706564656b
