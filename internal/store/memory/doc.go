// Package memory is the third database behind package store: rows in Go maps,
// for tests that record so often that a real one is too slow, above all the
// deterministic simulation. No product links it.
//
// It keeps what the contract of package store says, the rules of the tables
// among it, and passes storetest like the others, so that a model made of it
// does not drift from them. Its clock is the caller's, it starts no goroutine,
// nothing depends on the order of a map, and a commit costs in proportion to
// the batch. Rows are shared, not copied: neither who writes nor who reads may
// change the slices in them afterwards.
package memory
