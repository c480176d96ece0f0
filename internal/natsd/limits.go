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
)
