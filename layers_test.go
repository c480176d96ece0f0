package tapedeck_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// A layer is one row of the import table: which of the module's own packages a
// package may import, and which of the heavy libraries. "a/..." stands for a
// and everything below it.
type layer struct {
	pkg  string
	own  []string
	libs []string
}

const module = "github.com/tapedeck/tapedeck"

// layers is the whole table. A package that is not in it fails the test, so
// that every new one is given its place on purpose.
var layers = []layer{
	// The contract, and what is embedded.
	{pkg: ""},
	{pkg: "events", libs: []string{nats}},
	{pkg: "events/eventstest", own: []string{"events", "internal/loopback"}, libs: []string{nats, natsServer}},
	{pkg: "schema"},
	{pkg: "schema/events"},
	{pkg: "schema/http"},

	// The pure core: no clock, no goroutine, no I/O but the providers' own.
	{pkg: "internal/ticker"},
	{pkg: "internal/calendar"},
	{pkg: "internal/number"},
	{pkg: "internal/strategy", own: []string{"internal/number"}},
	{pkg: "internal/strategy/folder", own: []string{"internal/strategy"}},
	{pkg: "internal/indicator"},
	{pkg: "internal/analysis", own: []string{"internal/indicator", "internal/market", "internal/number", "internal/strategy", "internal/ticker"}},
	{pkg: "internal/backtest", own: []string{"internal/analysis", "internal/backtest/measure", "internal/market", "internal/number", "internal/strategy"}},
	{pkg: "internal/backtest/measure", own: []string{"internal/number"}},
	{pkg: "internal/market", own: []string{"internal/ticker"}},
	{pkg: "internal/market/lru"},
	{pkg: "internal/market/shared", own: []string{"internal/market", "internal/market/limit", "internal/stream"}},
	{pkg: "internal/market/cache", own: []string{"internal/calendar", "internal/market", "internal/market/lru", "internal/ticker"}},
	{pkg: "internal/market/chain", own: []string{"internal/market"}},
	{pkg: "internal/market/limit", own: []string{"internal/market"}},
	{pkg: "internal/market/csvdir", own: []string{"internal/calendar", "internal/market", "internal/market/lru", "internal/ticker"}},
	{pkg: "internal/market/nse", own: []string{"internal/calendar", "internal/market"}},
	{pkg: "internal/market/nse/nsetest", own: []string{"internal/market/nse"}},
	{pkg: "internal/market/synthetic", own: []string{"internal/market", "internal/ticker"}},
	{pkg: "internal/market/source", own: []string{"internal/calendar", "internal/config", "internal/market", "internal/market/...", "internal/stream", "internal/ticker"}},
	{pkg: "internal/referencedata", own: []string{"internal/market"}},
	{pkg: "internal/market/markettest", own: []string{"internal/market"}},
	{pkg: "internal/universe", own: []string{"internal/ticker"}},
	{pkg: "internal/market/yahoo", own: []string{"internal/calendar", "internal/market", "internal/ticker"}},
	{pkg: "internal/market/yahoo/yahootest", own: []string{"internal/calendar", "internal/ticker"}},

	// JetStream and the databases.
	{pkg: "internal/stream", own: []string{"events"}, libs: []string{nats}},
	{pkg: "internal/stream/pubsub", own: []string{"events", "internal/stream"}, libs: []string{nats, watermill}},
	{pkg: "internal/stream/streamtest", own: []string{"", "events", "internal/loopback", "internal/stream", "internal/natsd"}, libs: []string{nats}},
	{pkg: "internal/natsd", own: []string{"", "internal/stream"}, libs: []string{nats, natsServer}},
	{pkg: "internal/store", own: []string{"events", "schema"}},
	{pkg: "internal/store/query", own: []string{"events", "internal/store"}},
	{pkg: "internal/store/sqlite", own: []string{"events", "schema", "internal/store", "internal/store/query"}, libs: []string{sqlite}},
	{pkg: "internal/store/postgres", own: []string{"events", "schema", "internal/store", "internal/store/query"}, libs: []string{pgx}},
	{pkg: "internal/store/postgres/postgrestest", own: []string{"internal/loopback"}, libs: []string{pgx}},
	{pkg: "internal/store/dsn", own: []string{"internal/store", "internal/store/sqlite", "internal/store/postgres"}},
	{pkg: "internal/store/memory", own: []string{"events", "schema", "internal/store"}},
	{pkg: "internal/store/storetest", own: []string{"events", "internal/store"}},

	// The stages. None imports another, but api its live feed.
	{pkg: "internal/dispatcher", own: []string{"events", "internal/stream"}, libs: []string{nats}},
	{pkg: "internal/analyzer", own: []string{"events", "internal/analysis", "internal/backtest/...", "internal/market", "internal/strategy", "internal/stream", "internal/stream/pubsub"}, libs: []string{nats, watermill}},
	{pkg: "internal/recorder", own: []string{"events", "internal/store", "internal/stream", "internal/ticker"}, libs: []string{nats}},
	{pkg: "internal/reconciler", own: []string{"events", "internal/store", "internal/stream"}},
	{pkg: "internal/live", own: []string{"events", "internal/store", "internal/stream"}},
	{pkg: "internal/api", own: []string{"events", "schema/http", "internal/api/...", "internal/backtest/measure", "internal/live", "internal/number", "internal/store", "internal/strategy/...", "internal/stream", "internal/ticker", "internal/universe"}, libs: []string{fiber}},
	{pkg: "internal/api/reference"},
	{pkg: "internal/api/ui"},

	// The HTTP API from outside, for the commands of users.
	{pkg: "client", own: []string{"events"}},
	{pkg: "internal/soak", own: []string{"events", "client", "internal/stream"}},

	// Assembly.
	{pkg: "internal/config"},
	{pkg: "internal/config/configtest", own: []string{"internal/config"}},
	{pkg: "internal/daemon"},
	{pkg: "internal/leaktest"},
	{pkg: "internal/loopback"},
	{pkg: "internal/standalone", own: []string{"...", "internal/..."}, libs: []string{nats}},
	{pkg: "internal/e2e"},
	{pkg: "internal/e2e/chaos"},
	{pkg: "internal/e2e/load"},
	{pkg: "internal/e2e/processes", own: []string{"internal/loopback"}},
	{pkg: "internal/e2e/power"},
	{pkg: "internal/simulation"},
	{pkg: "internal/simulation/planted"},
	{pkg: "cmd/api", own: []string{"internal/api", "internal/config", "internal/daemon", "internal/live", "internal/store/dsn", "internal/strategy/folder", "internal/stream", "internal/universe"}},
	{pkg: "cmd/analyzer", own: []string{"internal/analyzer", "internal/config", "internal/daemon", "internal/dispatcher", "internal/market/...", "internal/stream/..."}, libs: []string{nats}},
	{pkg: "cmd/recorder", own: []string{"internal/config", "internal/daemon", "internal/reconciler", "internal/recorder", "internal/store/...", "internal/stream"}},
	{pkg: "deploy/probe"},
	{pkg: "cmd/tapedeck", own: []string{"client", "events", "internal/..."}, libs: []string{nats}},
}

// The libraries that may not spread.
const (
	nats       = "github.com/nats-io/nats.go"
	natsServer = "github.com/nats-io/nats-server"
	watermill  = "github.com/ThreeDotsLabs/watermill"
	fiber      = "github.com/gofiber/fiber"
	pgx        = "github.com/jackc/pgx"
	sqlite     = "modernc.org/sqlite"
)

var guarded = []string{nats, natsServer, watermill, fiber, pgx, sqlite}

// TestLayers holds every package's imports against the table.
func TestLayers(t *testing.T) {
	rows := map[string]layer{}
	for _, row := range layers {
		rows[row.pkg] = row
	}
	for pkg, imports := range packages(t) {
		row, ok := rows[pkg]
		if !ok {
			t.Errorf("package %q is not in the import table of layers_test.go: give it a row", pkg)
			continue
		}
		for _, path := range imports {
			if own, ok := strings.CutPrefix(path, module); ok {
				if own = strings.TrimPrefix(own, "/"); !matches(row.own, own) {
					t.Errorf("package %q must not import %q", pkg, own)
				}
				continue
			}
			if lib := guardedBy(path); lib != "" && !matches(row.libs, lib) {
				t.Errorf("package %q must not import %s", pkg, path)
			}
		}
	}
}

// TestRoleBinaries holds what must not be linked into the programs of one role.
func TestRoleBinaries(t *testing.T) {
	forbidden := map[string][]string{
		"cmd/api":      {natsServer, watermill, module + "/internal/analysis", module + "/internal/recorder", module + "/internal/analyzer"},
		"cmd/analyzer": {natsServer, fiber, pgx, sqlite, module + "/internal/store", module + "/internal/api"},
		"cmd/recorder": {natsServer, fiber, watermill, module + "/internal/analysis", module + "/internal/market", module + "/internal/api"},
	}
	for pkg, banned := range forbidden {
		out, err := exec.Command("go", "list", "-deps", "./"+pkg).Output()
		if err != nil {
			t.Errorf("listing what %s links: %v", pkg, err)
			continue
		}
		for dep := range strings.Lines(string(out)) {
			for _, ban := range banned {
				if matches([]string{ban + "/..."}, strings.TrimSpace(dep)) {
					t.Errorf("%s links %s", pkg, strings.TrimSpace(dep))
				}
			}
		}
	}
}

// packages lists the module's packages with their imports, tests left out.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	list := map[string][]string{}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatalf("reading the list of packages: %v", err)
		}
		list[strings.TrimPrefix(strings.TrimPrefix(pkg.ImportPath, module), "/")] = pkg.Imports
	}
}

func guardedBy(path string) string {
	for _, lib := range guarded {
		if path == lib || strings.HasPrefix(path, lib+"/") {
			return lib
		}
	}
	return ""
}

func matches(allowed []string, path string) bool {
	for _, pattern := range allowed {
		below, tree := strings.CutSuffix(pattern, "...")
		if path == pattern || tree && (below == "" || path+"/" == below || strings.HasPrefix(path, below)) {
			return true
		}
	}
	return false
}
