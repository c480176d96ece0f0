package postgres

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Schema is the name of the schema that holds the tables.
const Schema = "tapedeck"

// The schemas beside it.
const (
	shadowSchema = "tapedeck_shadow" // being filled by a rebuild
	oldSchema    = "tapedeck_old"    // was replaced by a rebuild, about to be dropped
	savedPrefix  = "tapedeck_saved_" // from before a loss was accepted, with a number
)

// DefaultReaderRole is the role that may read the tables.
const DefaultReaderRole = "tapedeck_reader"

// Options say which database, and how.
type Options struct {
	// URL is postgres://user@host:port/database with the parameters of libpq
	// (sslmode, ...). A host that is a directory is that of a Unix socket.
	URL string
	// ReaderRole is the role to which reading is granted, if there is one by
	// that name. Empty is DefaultReaderRole.
	ReaderRole string
	// ReadConnections is how many connections a Reader opens at most. Zero is
	// the constant of that name.
	ReadConnections int
	// Logger hears of what went wrong without making a call fail. Nil is silence.
	Logger *slog.Logger
}

// errURL says that Options.URL is not understood.
var errURL = errors.New("reading the database URL: it is not like postgres://user@host:5432/database?sslmode=verify-full (it is not shown, as it may hold a password)")

func (o Options) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

func (o Options) readerRole() string {
	if o.ReaderRole == "" {
		return DefaultReaderRole
	}
	return o.ReaderRole
}

// connConfig reads the URL. The text of the URL stands in no error: it may
// hold a password.
func (o Options) connConfig(schema string, settings map[string]string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return nil, errURL // the cause repeats the text, and cannot always find the password in it
	}
	for name := range config.RuntimeParams {
		if strings.HasPrefix(name, "pool_") {
			return nil, fmt.Errorf("reading the database URL: take %s out: the pool is not set up by the URL", strconv.Quote(name))
		}
	}
	// Arguments must never become part of a statement's text, whatever the URL asks for.
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	config.ConnectTimeout = connectTimeout
	config.DialFunc = (&net.Dialer{
		Timeout: connectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
		},
	}).DialContext
	maps.Copy(config.RuntimeParams, map[string]string{
		"application_name":                    "tapedeck",
		"search_path":                         schema,
		"idle_in_transaction_session_timeout": milliseconds(idleInTransaction),
	})
	maps.Copy(config.RuntimeParams, settings)
	return config, nil
}

// poolConfig is connConfig for a pool of connections.
func (o Options) poolConfig(schema string, settings map[string]string) (*pgxpool.Config, error) {
	conns, err := o.connConfig(schema, settings)
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(o.URL) // for the defaults: the URL has no say in the pool
	if err != nil {
		return nil, errURL
	}
	config.ConnConfig = conns
	config.MaxConns = ReadConnections
	if o.ReadConnections > 0 {
		config.MaxConns = int32(min(o.ReadConnections, math.MaxInt32))
	}
	return config, nil
}

// milliseconds is a duration as the server's settings take it.
func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
