package chaos_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

var wantedSoak = flag.Duration("soak", 0, "run mixed jobs without faults for so long and fail on what grows")

const (
	// soakSamples is how many samples a soak takes; the first third is the warm-up.
	soakSamples = 120
	// Of what a program holds, the median of the last third of a soak may be above
	// that of the second by a share and by a floor below which nothing is growth.
	growthShare       = 0.10
	growthMemory      = 16 << 20
	growthDescriptors = 8
	growthGoroutines  = 20
	// growthLag is how many events the recorder may be behind, and by how many
	// more: what is submitted in some seconds.
	growthLag = 500
	// natsPerEvent is what nats-server may hold in memory for each event on the
	// tape, in bytes: its index of subjects, two to four times over.
	natsPerEvent = 1200
)

// A series is what was seen of one thing, sample by sample.
type series struct {
	name string
	seen []float64
	unit float64 // growth below it is none
}

// TestSoak runs mixed jobs for as long as -soak says, and fails when memory,
// goroutines, descriptors or the lag grow, or an event takes more bytes on the
// tape or in the database than before.
func TestSoak(t *testing.T) {
	if *wantedSoak == 0 {
		t.Skip("soaks for as long as -soak says: run it by hand with -soak 1h, see the package's comment")
	}
	d := newDeck(t, setup{nodes: *wantedNodes, shipped: true})
	nc, _ := d.admin()
	watching, unwatch := context.WithCancel(t.Context())
	w := newWatch(watching, t, d.client)
	defer func() { unwatch(); w.group.Wait() }()
	l := &load{t: t, client: d.client, watch: w, seed: uint64(time.Now().UnixNano()), ledger: &ledger{byID: map[string]*accepted{}}}
	w.group.Go(w.everything)
	w.group.Go(func() { w.subscribe(d.natsURL("subscriber"), d.nats[0].Password(streamtest.Admin), l.seed) })
	l.first()
	loading, unload := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	for i := range submitters {
		workers.Go(func() { l.submitter(loading, i) })
	}
	workers.Go(func() { l.reader(loading) })

	s := &soak{deck: d}
	began := time.Now()
	for time.Since(began) < *wantedSoak {
		time.Sleep(*wantedSoak / soakSamples) // between two samples
		s.sample(t)
	}
	unload()
	waitFor(t, d, &workers)
	j := &judge{deck: d, ledger: l.ledger, watch: w, wrongs: map[string]int{}}
	jobs := j.ended()
	r := j.tape(nc)
	j.followersDone(r, j.lastTold(r, jobs))
	tickers := j.tables(r, jobs)
	d.verified()
	names, table := s.grown()
	for _, name := range names {
		t.Errorf("it grows: %s", name)
	}
	t.Logf("soaked for %v: %d jobs, %d tickers, %d events; median of the second third, of the last:\n%s",
		time.Since(began).Round(time.Second), len(jobs), tickers, r.last, table)
}

// A soak gathers samples.
type soak struct {
	deck   *deck
	series []*series
}

func (s *soak) add(name string, unit, value float64) {
	at := slices.IndexFunc(s.series, func(one *series) bool { return one.name == name })
	if at < 0 {
		at = len(s.series)
		s.series = append(s.series, &series{name: name})
	}
	s.series[at].unit = unit
	s.series[at].seen = append(s.series[at].seen, value)
}

// sample looks at every process, and at what the api tells of the pipeline.
func (s *soak) sample(t *testing.T) {
	t.Helper()
	for _, m := range s.deck.members {
		s.process(t, m.name, m.Pid(), growthMemory)
	}
	told := s.told(t)
	events := told["tapedeck_tape_last_seq"]
	for i, node := range s.deck.nats {
		name := "nats-server"
		if i > 0 {
			name = fmt.Sprint("nats-server-", i+1)
		}
		s.process(t, name, node.Pid(), max(growthMemory, natsPerEvent*events/3)) // what came in the last third
	}
	s.add("goroutines of the api", growthGoroutines, told["go_goroutines"])
	s.add("lag of the recorder, events", growthLag, told["tapedeck_recorder_lag_events"])
	s.add("bytes on the tape per event", 100, told["tapedeck_tape_bytes"]/max(1, events))
	s.add("bytes in the database per event", 1000, s.databaseBytes(t)/max(1, events))
}

func (s *soak) process(t *testing.T, name string, pid int, unit float64) {
	t.Helper()
	memory, err := processes.Resident(pid)
	if err != nil {
		t.Fatal(err)
	}
	descriptors, err := processes.Descriptors(pid)
	if err != nil {
		t.Fatal(err)
	}
	s.add("memory of "+name, unit, float64(memory))
	s.add("descriptors of "+name, growthDescriptors, float64(descriptors))
}

// told reads the api's metrics without labels. What the servers do not tell the
// api in time is left out there: then it is asked again.
func (s *soak) told(t *testing.T) (values map[string]float64) {
	t.Helper()
	processes.Until(t, readyTime, "the metrics of the api", func() error {
		response, err := http.Get(s.deck.base + "/metrics")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		values = map[string]float64{}
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if name, text, ok := strings.Cut(lines.Text(), " "); ok {
				if value, err := strconv.ParseFloat(text, 64); err == nil {
					values[name] = value
				}
			}
		}
		for _, name := range []string{"tapedeck_tape_last_seq", "tapedeck_tape_bytes", "tapedeck_recorder_lag_events", "go_goroutines"} {
			if _, there := values[name]; !there {
				return fmt.Errorf("there is no %s", name)
			}
		}
		return nil
	})
	return values
}

func (s *soak) databaseBytes(t *testing.T) (bytes float64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.deck.postgres.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), "SELECT pg_database_size(current_database())::float8").Scan(&bytes); err != nil {
		t.Fatal(err)
	}
	return bytes
}

// grown names each series that grows, and shows all of them.
func (s *soak) grown() (names []string, table string) {
	var b strings.Builder
	for _, one := range s.series {
		third := len(one.seen) / 3
		before, after := median(one.seen[third:2*third]), median(one.seen[2*third:])
		fmt.Fprintf(&b, "  %-40s %14.0f %14.0f\n", one.name, before, after)
		if after > before*(1+growthShare) && after > before+one.unit {
			names = append(names, one.name)
		}
	}
	return names, b.String()
}

// TestSoakFindsGrowth holds that a soak tells what grows from what only moves.
func TestSoakFindsGrowth(t *testing.T) {
	s := &soak{}
	for i := range soakSamples {
		s.add("leak", growthMemory, float64(100<<20+i<<20))
		s.add("warm-up", growthMemory, float64(100<<20+min(i, soakSamples/4)<<20))
		s.add("noise", growthMemory, float64(100<<20+i%7<<20))
		s.add("little", growthDescriptors, float64(10+i/20))
	}
	if names, table := s.grown(); !slices.Equal(names, []string{"leak"}) {
		t.Errorf("%v grow:\n%s", names, table)
	}
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	if len(list) == 0 {
		return 0
	}
	return list[len(list)/2]
}
