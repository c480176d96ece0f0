// Package simulation plays the product's own code through bad days, many
// thousand of them: the api's intake, dispatchers, analyzers, recorders and the
// reconciler as they are, over a simulated tape, work queue, provider and
// clocks, and the in-memory database. It holds only tests.
//
// One loop carries out one event after another in virtual time. There are no
// goroutines that run side by side: product code that blocks runs in
// coroutines, which the loop resumes. Everything that is left to chance follows
// from a seed, so a seed always gives the same trace, and a run that breaks an
// invariant is played again by its seed:
//
//	go test ./internal/simulation -seed 4711
//
// plays one and prints its trace; -seeds N -first K plays N from K on.
//
// Beside the seeds a sweep takes small jobs, counts their calls, and breaks each
// of them once, in every way that it can go wrong and in a run of its own
// (TestSweep). Package standalone has the same with the programs that run in a
// process, a real server and real databases.
package simulation
