// Package api is tapedeck's HTTP surface: it accepts jobs by publishing them
// on the tape, reads what was recorded, and streams what happens.
//
// It never writes the database. A 202 is answered only after the tape's
// durable ack, and a job that is on the tape but not yet recorded is answered
// from the tape, so that no 202 is ever followed by a 404.
//
// Where to read: routes.go (all routes), submit.go (a request becomes a job),
// jobs.go (publishing, and reading a job), results.go (reads), stream.go (SSE),
// predecessor.go (the URLs of the system before), problem.go (every error).
package api
