package postgrestest

import "time"

// StartTimeout is how long a server may take from its start to its first
// answer: 0.3 s is usual, crash recovery on a loaded machine takes seconds.
const StartTimeout = 30 * time.Second

// maxConnections is what the servers allow: each connection costs a test
// machine some 5 MB, and no test needs as many.
const maxConnections = 50

// maxSocketPath is the longest path of a Unix socket on Linux, without the
// terminating zero; on macOS it is 103.
const maxSocketPath = 103

// pollInterval is the pause between two looks at whether a server is up.
const pollInterval = 20 * time.Millisecond
