package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/soak"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

var wantedSoak = flag.Duration("soak", 0, "run mixed jobs without faults for so long and fail on what grows")

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

	s := d.sampler()
	began := time.Now()
	for time.Since(began) < *wantedSoak {
		d.sample(s)
		time.Sleep(*wantedSoak / soak.DefaultSamples) // between two samples
	}
	unload()
	waitFor(t, d, &workers)
	j := &judge{deck: d, ledger: l.ledger, watch: w, wrongs: map[string]int{}}
	jobs := j.ended()
	r := j.tape(nc)
	j.followersDone(r, j.lastTold(r, jobs))
	tickers := j.tables(r, jobs)
	d.verified()
	s.Coarse = time.Since(began) < soak.Short
	verdicts := s.Judge()
	for _, name := range soak.Growing(verdicts) {
		t.Errorf("it grows: %s", name)
	}
	var table strings.Builder
	for _, v := range verdicts {
		fmt.Fprintf(&table, "  %-40s %14.0f %14.0f %14.0f\n", v.Name, v.First, v.Second, v.Last)
	}
	t.Logf("soaked for %v: %d jobs, %d tickers, %d events; medians of the thirds:\n%s",
		time.Since(began).Round(time.Second), len(jobs), tickers, r.last, &table)
}

// sampler looks at every program's metrics and at the database.
func (d *deck) sampler() *soak.Sampler {
	s := &soak.Sampler{DatabaseBytes: func(ctx context.Context) (int64, error) { return dsn.Size(ctx, d.owner) }}
	for _, m := range d.members {
		if m.metrics == d.base+"/metrics" {
			s.API = soak.Process{Name: m.name, Metrics: m.metrics}
		} else {
			s.Processes = append(s.Processes, soak.Process{Name: m.name, Metrics: m.metrics})
		}
	}
	return s
}

// sample looks at everything once. What the servers do not tell the api in time
// is asked again.
func (d *deck) sample(s *soak.Sampler) {
	d.t.Helper()
	processes.Until(d.t, readyTime, "a sample", func() error { return s.Sample(d.t.Context()) })
	for i, node := range d.nats {
		name := "nats-server"
		if i > 0 {
			name = fmt.Sprint("nats-server-", i+1)
		}
		memory, err := processes.Resident(node.Pid())
		if err != nil {
			d.t.Fatal(err)
		}
		descriptors, err := processes.Descriptors(node.Pid())
		if err != nil {
			d.t.Fatal(err)
		}
		s.Hold(name, float64(memory), float64(descriptors), true)
	}
}
