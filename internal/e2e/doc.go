// Package e2e runs tapedeck as its users do: the four programs as processes of
// their own, over HTTP, the command line and NATS, on a real nats-server, real
// PostgreSQL and SQLite files; and kills them with SIGKILL in the middle of
// jobs. It holds only tests. `go test -short` runs the quick ones.
//
//	go test ./internal/e2e -v -run TestDatabaseAway -outage 5m -timeout 20m
package e2e
