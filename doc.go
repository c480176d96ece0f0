// Package tapedeck analyses a whole stock market and keeps what it found.
//
// This package holds only the configuration of the NATS server; the program is
// in the packages below it. This is the tour of them.
//
// # What happens to a job
//
// A job ("analyse these tickers with this strategy") is an event, and so is
// everything that becomes of it:
//
//	POST ─ api ─ JobQueued ─▶ TAPE ─ dispatcher ─▶ WORK ─ analyzer ─ TickerAnalyzed | TickerFailed ─▶ TAPE ─ recorder ─▶ database ─▶ api ─ GET
//
// TAPE is a JetStream stream of facts and the truth: it is never edited, and
// the database is a fold over it. WORK is a queue of commands that can be lost
// and made again. Four stages share the work:
//
//   - The api accepts a job by publishing JobQueued, and reads the database. It
//     never writes there.
//   - The dispatcher, inside the analyzer's process, turns one JobQueued into
//     one work item per ticker, in one of four lanes by the job's size.
//   - The analyzer turns a work item into exactly one outcome, published under
//     a guard: a second outcome of the same ticker is refused by the stream.
//   - The recorder alone writes the database, in the tape's order, with its
//     checkpoint in the same transaction. The reconciler, in its process,
//     dispatches again what has neither an outcome nor a work item.
//
// Stages do not import each other. They meet in package events (what
// happened), internal/stream (how it travels) and internal/store (what was
// recorded). layers_test.go beside this file holds every package to its place.
//
// # Eight files, in this order
//
//  1. doc.go: this one.
//  2. internal/api/jobs.go, with submit.go beside it: a request becomes JobQueued.
//  3. internal/stream/topology.go: all streams, consumers, subjects and permissions.
//  4. internal/dispatcher/core.go: JobQueued becomes work items.
//  5. internal/analyzer/work.go: a work item becomes an outcome.
//  6. internal/recorder/recorder.go, with core.go beside it: what is recorded when, and by whom.
//  7. internal/recorder/project.go: the fold, from events to rows.
//  8. internal/api/results.go: rows become answers.
//
// What a stage decides stands in a core, a step function without goroutines,
// clock or I/O; a thin driver beside it carries the decisions out.
//
// # Then
//
// internal/analysis and what it imports say how a verdict is reached.
// cmd/tapedeck and internal/standalone put all of it into one process;
// cmd/api, cmd/analyzer and cmd/recorder are the roles one by one. Programs of
// others import package events. docs/ARCHITECTURE.md has the promises and
// where each is tested, docs/OPERATIONS.md how to run it,
// docs/TERMINOLOGY.md the words.
package tapedeck
