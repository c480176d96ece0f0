// Package live tells many clients what is being recorded, while it is.
//
// The database is the truth and its checkpoint the clock: while anybody
// follows, the hub looks at the checkpoint (one row) every few dozen
// milliseconds; when it has moved, one query lists the active jobs, and for
// each followed job that changed one read fetches the outcomes since the last
// look. So nothing is told before it is recorded, an outcome that the
// projection refused is never told, and the cost does not depend on the number
// of clients: they share each job's newest frames, already encoded. The hub
// keeps a bounded window of them per job; a client that is older than the
// window reads from the database until it has caught up. No client has a
// buffer of its own, so none can hold another up.
//
// The stream of all jobs has a window alone, since outcomes of all jobs in the
// tape's order are not a read that the tables serve: a client older than that
// is told to begin anew (resync).
//
// feed.go is the core, without goroutines and I/O; hub.go carries it out.
package live
