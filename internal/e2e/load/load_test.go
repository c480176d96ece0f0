package load_test

import (
	"flag"
	"net/http"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/tapedeck/tapedeck/internal/e2e/processes"
)

var (
	wanted   = flag.Bool("load", false, "measure; takes some minutes and all of the machine")
	database = flag.String("database", "both", "what to record in: sqlite, postgres or both")
)

// clients is how many connections to the api are kept open: those of all
// pollers and followers, as each is a client of its own.
const clients = 500

// TestLoad runs every scenario on the wanted databases and prints the figures.
func TestLoad(t *testing.T) {
	if !*wanted {
		t.Skip("measures for minutes: run it by hand with -load, see the package's comment")
	}
	starts := map[string]func(*testing.T, string) *deck{"sqlite": embedded, "postgres": roles}
	names := []string{"sqlite", "postgres"}
	if *database != "both" {
		if starts[*database] == nil {
			t.Fatalf("-database %s: it is sqlite, postgres or both", *database)
		}
		names = []string{*database}
	}
	bin := t.TempDir()
	if err := processes.Build(filepath.Join("..", "..", ".."), bin); err != nil {
		t.Fatal(err)
	}
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = clients
	table := newTable(names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			d := starts[name](t, bin)
			sheet := table.sheet(name)
			t.Run("latency", func(t *testing.T) { latency(d.of(t), sheet) })
			t.Run("throughput", func(t *testing.T) { throughput(d.of(t), sheet) })
			t.Run("fairness", func(t *testing.T) { fairness(d.of(t), sheet) })
			t.Run("crowd", func(t *testing.T) { crowd(d.of(t), sheet) })
			d.oneOutcomeEach()
		})
	}
	t.Logf("figures on %d processors, %s\n%s", runtime.NumCPU(), runtime.Version(), table)
}
