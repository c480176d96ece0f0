// Package chaos runs, in tests only, the api, two analyzers, two recorders,
// nats-server (one, or a cluster of three) and PostgreSQL as processes, with the
// network between them in its own hands, and breaks them at random while jobs
// are submitted, cancelled and followed, and while a foreign publisher puts
// poison, duplicates and conflicting outcomes on the tape. When the faults have
// stopped it holds what users may rely on: every accepted job has ended, each
// ticker has one outcome, on the tape and in the tables, verify is silent, and
// followers and subscribers have missed nothing.
//
//	go test ./internal/e2e/chaos                                        about ten faults
//	go test ./internal/e2e/chaos -v -faults 200 [-seed N] [-nodes 3]
//	go test ./internal/e2e/chaos -v -faults 1000 -nodes 3 -only leader -timeout 30m
//	go test ./internal/e2e/chaos -v -for 1h -timeout 75m [-shipped]
//	go test ./internal/e2e/chaos -v -run TestRecovery -recovery         times to recover, on both databases
//	go test ./internal/e2e/chaos -v -run TestStopWhileStarting          asked to end at every stage of a start
//	go test ./internal/e2e/chaos -v -run TestSoak -soak 1h -timeout 75m what grows
//
// The seed decides which faults come, in which order and for how long; what the
// processes do meanwhile it cannot decide, so a seed repeats a run's faults but
// not always its end. A failed run says its seed and where it left the logs.
// TestChaos prints one line that begins with its seed and ends with "unlike" if
// nothing was wrong, so that many runs can be gathered in a file.
//
// Besides -shipped the waits that only cost time are shortened: a killed
// analyzer's work is delivered again after 3 s instead of 30 s, and lost work is
// looked for each second instead of every 30 s.
package chaos
