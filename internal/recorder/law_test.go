package recorder_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// anyTape draws a tape of few jobs and tickers, so that everything meets
// everything: duplicates, late outcomes, orphans, poison.
func anyTape(t *rapid.T, tb testing.TB) []stream.Message {
	ids := []string{"j0", "j1", "j2"}
	tickers := []string{"A.NS", "B.NS", "C.NS", "D.NS"}
	n := rapid.IntRange(1, 60).Draw(t, "events")
	list := make([]stream.Message, n)
	for i := range list {
		id := rapid.SampledFrom(ids).Draw(t, "job")
		ticker := rapid.SampledFrom(tickers).Draw(t, "ticker")
		kind := rapid.IntRange(0, 13).Draw(t, "kind")
		var data events.Data
		switch kind {
		case 0:
			data = backtestQueued(id, tickers[:rapid.IntRange(1, 3).Draw(t, "total")]...)
		case 1:
			data = queued(id, tickers[:rapid.IntRange(1, 3).Draw(t, "total")]...)
		case 2:
			data = &events.JobStarted{JobID: id, Total: 3}
		case 3:
			data = &events.JobCancelled{JobID: id}
		case 4:
			data = &events.JobCompleted{JobID: id, Status: events.StatusCompleted}
		case 5, 6:
			data = failed(id, ticker, events.FailureNoData)
		case 7:
			data = backtestFailed(id, ticker, events.FailureNoData)
		case 8, 9, 10: // poison in a job of the other kind
			data = backtested(id, ticker)
		default:
			data = analyzed(id, ticker)
		}
		list[i] = message(tb, uint64(i+1), data)
		if kind == 13 {
			list[i].Data = []byte("no json")
		}
	}
	return list
}

// tables are rows in memory, kept by the contract of store.Writer.
type tables struct {
	at        uint64
	jobs      map[string]store.Job
	progress  map[string]store.Progress
	details   map[string]store.Detail
	results   map[string]store.Result
	packed    map[uint64]string
	backtests map[string]store.BacktestRow
	days      map[store.Day]uint64
	poison    map[uint64]store.Poison
}

func newTables() *tables {
	return &tables{
		jobs: map[string]store.Job{}, progress: map[string]store.Progress{}, details: map[string]store.Detail{},
		results: map[string]store.Result{}, packed: map[uint64]string{}, backtests: map[string]store.BacktestRow{}, days: map[store.Day]uint64{}, poison: map[uint64]store.Poison{},
	}
}

func (s *tables) load(ids []string) (states []store.State) {
	for _, id := range ids {
		if job, ok := s.jobs[id]; ok {
			state := store.State{Job: job, Progress: s.progress[id]}
			for _, d := range s.details {
				if d.JobID == id {
					state.Outcomes = append(state.Outcomes, d.Ticker)
				}
			}
			states = append(states, state)
		}
	}
	return states
}

func (s *tables) commit(t interface{ Fatalf(string, ...any) }, c store.Changes) {
	for _, j := range c.Jobs {
		if _, ok := s.jobs[j.ID]; ok {
			t.Fatalf("job %s is written twice", j.ID)
		}
		s.jobs[j.ID] = j
	}
	seen := map[string]bool{}
	for _, p := range c.Progress {
		if seen[p.JobID] {
			t.Fatalf("two progress rows of %s in one batch", p.JobID)
		}
		seen[p.JobID] = true
		s.progress[p.JobID] = p
	}
	for _, d := range c.Details {
		key := d.JobID + "/" + d.Ticker
		if _, ok := s.details[key]; ok {
			t.Fatalf("detail %s is written twice", key)
		}
		s.details[key] = d
	}
	for _, r := range c.Results {
		s.results[r.JobID+"/"+r.Ticker] = r
	}
	for _, i := range c.Indicators {
		s.packed[i.Seq] = string(i.Data)
	}
	for _, b := range c.Backtests {
		s.backtests[b.JobID+"/"+b.Ticker] = b
	}
	for _, d := range c.Days {
		key := d
		key.ResultSeq = 0
		s.days[key] = max(s.days[key], d.ResultSeq)
	}
	for _, p := range c.Poison {
		s.poison[p.Seq] = p
	}
}

// check holds what must hold after every commit.
func (s *tables) check(t interface{ Fatalf(string, ...any) }) {
	for id, p := range s.progress {
		counts := map[string]int{}
		for _, d := range s.details {
			if d.JobID == id {
				counts[d.Status]++
			}
		}
		if counts["analyzed"] != p.Analyzed || counts["failed"] != p.Failed || counts["cancelled"] != p.Cancelled {
			t.Fatalf("the counters of %+v are not those of the details %v", p, counts)
		}
		if p.Status.Ended() != (p.Pending() == 0) || p.Status.Ended() == p.CompletedAt.IsZero() {
			t.Fatalf("job %+v ended or did not, with %d pending", p, p.Pending())
		}
	}
}

// TestCutsMakeNoDifference is the prefix and batch law: however a tape is cut
// into batches, and whatever is forgotten between them, the rows are those of
// an event at a time, and the counters are those of the details at each commit.
func TestCutsMakeNoDifference(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tape := anyTape(rt, t)
		one := newTables()
		single := recorder.NewProjection()
		record := func(p *recorder.Projection, to *tables, batch []stream.Message) {
			e := entries(batch)
			missing := p.Missing(e)
			p.Learn(missing, to.load(missing))
			to.commit(rt, p.Fold(e))
			to.check(rt)
			to.at = batch[len(batch)-1].Seq
			p.Settle()
		}
		for i := range tape {
			record(single, one, tape[i:i+1])
		}
		cut := newTables()
		p := recorder.NewProjection()
		for rest := tape; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "batch")
			record(p, cut, rest[:n])
			rest = rest[n:]
			if rapid.Bool().Draw(rt, "restart") {
				p = recorder.NewProjection()
			}
		}
		if diff := cmp.Diff(one, cut, cmp.AllowUnexported(tables{})); diff != "" {
			rt.Fatalf("one by one and in batches differ:\n%s", diff)
		}
	})
}

// TestProgressNeverGoesBack: what readers saw of a job stays true.
func TestProgressNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tape := anyTape(rt, t)
		p := recorder.NewProjection()
		last := map[string]store.Progress{}
		for i := range tape {
			e := entries(tape[i : i+1])
			missing := p.Missing(e)
			p.Learn(missing, nil)
			for _, now := range p.Fold(e).Progress {
				old, known := last[now.JobID]
				if known && (now.Analyzed < old.Analyzed || now.Failed < old.Failed || now.Cancelled < old.Cancelled ||
					now.LastSeq <= old.LastSeq || old.Status.Ended() && now.Status != old.Status || now.Pending() < 0) {
					rt.Fatalf("from %+v to %+v", old, now)
				}
				last[now.JobID] = now
			}
			// No Settle: it only forgets what does not exist, and nothing can be loaded here.
		}
	})
}

// TestFoldOnSQLite: the fold's rows fit the real tables, in any cut, and the
// canonical dumps are equal.
func TestFoldOnSQLite(t *testing.T) {
	any := rapid.Custom(func(rt *rapid.T) []stream.Message { return anyTape(rt, t) })
	for seed := range 15 {
		tape := any.Example(seed)
		whole, cut := dumpOf(t, tape, len(tape)), dumpOf(t, tape, 1+seed%7)
		if whole != cut {
			t.Fatalf("seed %d: the dumps of one batch and of batches of %d differ", seed, 1+seed%7)
		}
	}
}

func dumpOf(t *testing.T, tape []stream.Message, size int) string {
	t.Helper()
	w := openAt(t, filepath.Join(t.TempDir(), "db"))
	lease, err := w.Acquire(t.Context(), "x", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	p := recorder.NewProjection()
	for batch := range slices.Chunk(tape, size) {
		e := entries(batch)
		missing := p.Missing(e)
		states, err := w.Load(t.Context(), missing)
		if err != nil {
			t.Fatal(err)
		}
		p.Learn(missing, states)
		last := batch[len(batch)-1]
		next := store.Position{Stream: "TAPE", Created: t0, Seq: last.Seq, Anchor: last.Anchor()}
		if err := w.Commit(t.Context(), lease, next, p.Fold(e)); err != nil {
			t.Fatal(err)
		}
		lease.Position = next
		p.Settle()
	}
	sum, _, _, err := store.HashDump(t.Context(), w.Reading())
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
