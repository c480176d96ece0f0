package tapedeck

import _ "embed"

// NATSConf is the file nats.conf: the configuration of the embedded NATS
// server, and of an external one.
//
//go:embed nats.conf
var NATSConf []byte
