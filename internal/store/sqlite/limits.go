package sqlite

import "time"

// BusyTimeout is how long a statement waits for a lock that another program
// holds: longer than somebody's sqlite3 session or a copy takes. Longer than the
// recorder's lease of 3 s too: while the lock is held nobody else can take that.
const BusyTimeout = 5 * time.Second

// ReadConnections is how many reads of one Reader run at a time: reads take a
// fraction of a millisecond, and each holds a page cache of 2 MB.
const ReadConnections = 8

// idleConnections of a Reader stay open between reads.
const idleConnections = 4

// walBytes is the size to which the WAL is cut back after a checkpoint: enough
// for some hundred batches, so that the file does not grow and shrink.
const walBytes = 64 << 20

// reopenings is how often one read looks for the tables again when a rebuild
// replaced them between looking and opening. Each needs a whole rebuild.
const reopenings = 5
