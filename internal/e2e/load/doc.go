// Package load measures a whole tapedeck, its programs as processes, under the
// loads that its promises speak of. It holds only a test, run by hand:
//
//	go test ./internal/e2e/load -run TestLoad -load -v -timeout 20m [-database sqlite|postgres|both]
//
// On SQLite it is `tapedeck up`; on PostgreSQL a nats-server, a database, the
// api, two analyzers and the recorder. What is correct or not is asserted (all
// jobs complete, one outcome for each ticker, followers miss nothing, nobody
// meets a locked database); times and memory are printed as a table and never
// asserted: they are the machine's as much as the programs'. The table says
// how much of the machine others used meanwhile.
package load
