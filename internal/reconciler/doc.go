// Package reconciler sees to it that every job ends: a ticker that has neither
// an outcome nor a work item is dispatched again, a job past its deadline is
// ended with failures, and a work queue that is gone is made anew. Between the
// dispatcher, which is fast and may die at any line, and the promise that no
// accepted job is ever lost stands this loop.
//
// It runs only in the process whose recorder holds the lease. Being wrong is
// harmless: items and outcomes are published under guards.
package reconciler
