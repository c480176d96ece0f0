package source

import (
	"context"
	"log/slog"
	"path/filepath"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/cache"
	"github.com/tapedeck/tapedeck/internal/market/limit"
	"github.com/tapedeck/tapedeck/internal/market/shared"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// Ports are what the providers that ask over a network share. The zero Ports
// are those of one process: its own rate, and bars cached in memory.
type Ports struct {
	// Books keep the rates; nil: this process's own.
	Books limit.Books
	// Cache keeps bars; nil: none beside memory.
	Cache market.BarCache
	// DataDir is where the archive of "nse" without a folder is; empty: there
	// is none, and a folder must be named.
	DataDir string
	// Log hears of the providers; nil means silence.
	Log *slog.Logger

	check func(context.Context) error // whether Books can be reached; nil: they can
}

const (
	// RatesDir keeps, in the data directory of the embedded mode, when each
	// provider may be asked next.
	RatesDir = "cache/rates"
	// NSEDir is the archive of "nse" in the data directory.
	NSEDir = "nse"
	// CacheDir is the cache of bars in the data directory of the embedded mode.
	CacheDir = "cache/bars"
)

// Embedded are the Ports of a deck that is alone: rates and bars are files in its
// data directory, so that its next start and commands on the same directory,
// such as `tapedeck market update`, share them.
func Embedded(dataDir string, log *slog.Logger) Ports {
	dir := func(name string) string { return filepath.Join(dataDir, filepath.FromSlash(name)) }
	return Ports{Books: limit.NewFiles(dir(RatesDir)), Cache: cache.NewFiles(dir(CacheDir), 0), DataDir: dataDir, Log: log}
}

// Cluster are the Ports of a program beside others on one NATS server: rates
// and bars are shared through its buckets. dataDir may be empty.
func Cluster(rates, bars *stream.Bucket, dataDir string, log *slog.Logger) Ports {
	books := shared.NewBooks(rates)
	return Ports{Books: books, Cache: shared.NewCache(bars), DataDir: dataDir, Log: log, check: books.Check}
}
