package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// Health is where a process without an api says how it is.
type Health struct {
	// HealthAddr answers /livez and /readyz for a supervisor, and /metrics (memory,
	// goroutines, descriptors) for Prometheus; empty answers nowhere.
	HealthAddr string `name:"health" placeholder:"HOST:PORT" help:"Address for /livez, /readyz and /metrics; none by default."`
}

// Parse reads the command line and the environment of a role's program into
// cli, a pointer to its struct. What is wrong is printed and ends the process with 2.
func Parse(cli any, name, description string) {
	parser, err := kong.New(cli, Options(name, description)...)
	if err == nil {
		_, err = parser.Parse(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\nRun `%s --help` for the flags.\n", name, err, name)
		os.Exit(2)
	}
}

// ErrRemote says that the api would be open to other machines.
var ErrRemote = errors.New("the api has no login yet, and everyone who reaches it may submit and cancel jobs; listen on 127.0.0.1, or say --allow-remote-without-login if something else guards it")

// Listen opens the api's listener.
func (h HTTP) Listen() (net.Listener, error) {
	host, _, err := net.SplitHostPort(h.HTTPAddr)
	if err != nil {
		return nil, fmt.Errorf("reading --http %q: %w", h.HTTPAddr, err)
	}
	if !h.AllowRemote && !loopback(host) {
		return nil, fmt.Errorf("listening on %s: %w", h.HTTPAddr, ErrRemote)
	}
	listener, err := net.Listen("tcp", h.HTTPAddr)
	if err != nil {
		return nil, fmt.Errorf("opening the api's listener: %w", err)
	}
	return listener, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}
