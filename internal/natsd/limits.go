package natsd

import "time"

const (
	// startTimeout covers the scan of a large store after a hard kill: about a
	// second per million messages on a slow disk.
	startTimeout = 2 * time.Minute
	// maxSocketPath is the longest path of a Unix socket that every system
	// takes (Linux 107, macOS 103).
	maxSocketPath = 103
	// adminTimeout bounds one request on the admin socket, which rewrites two
	// small files and reloads the server.
	adminTimeout = 10 * time.Second
	// maxAdminBytes bounds a request on the admin socket: a verb and a name.
	maxAdminBytes = 4096
	// passwordBytes of randomness in a made-up password.
	passwordBytes = 24
	// watchEvery is how often Watch looks: a disk fills at a gigabyte a second at
	// most, and a client waits for a second look no longer than for an answer.
	watchEvery = time.Second
	// ReservedBytes are what the disk must have free for new jobs: accepted ones
	// need it to end. The outcomes of the largest job take 50 MB.
	ReservedBytes = 64 << 20
	// restartBytes are what the disk must have free for a restart of a server
	// that cannot write any more: less than ReservedBytes, so that accepted jobs
	// go on before new ones are taken.
	restartBytes = 16 << 20
	// firstPause and lastPause bound the doubling pauses between restarts that
	// do not help, as when not space is missing but the disk is broken.
	firstPause = time.Second
	lastPause  = time.Minute
)
