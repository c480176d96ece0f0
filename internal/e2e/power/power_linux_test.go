package power_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/dsn"
	"github.com/tapedeck/tapedeck/internal/stream"
)

var (
	cuts = flag.Int("cuts", 0, "how many power cuts")
	seed = flag.Uint64("seed", 1, "varies the load and the moments of the cuts")

	shipped = flag.Bool("shipped", false, "waits as they are shipped; without it, those that only cost time are shorter")
)

const (
	// diskSize has room for the cuts of one disk.
	diskSize = 512 << 20
	// cutsPerDisk is how many cuts a disk sees before a new one takes its place:
	// what was lost early may only be missed late.
	cutsPerDisk = 5
	// mostHeard is the most outcomes that users hear between a start and a cut.
	mostHeard = 80
	// longestLull is the most time from then on to the cut.
	longestLull = 150 * time.Millisecond
	// loadTime bounds the time from a start to a cut on a busy machine.
	loadTime = 10 * time.Second
	// endTime is how long jobs may take to end after a cut: what an analyzer
	// had in hand comes again after 30 s.
	endTime = 60 * time.Second
	// quickAckWait replaces stream.AckWait after a disk's last cut unless -shipped.
	quickAckWait = 3 * time.Second
)

// TestPower cuts the power at random moments under load: everything that was
// acknowledged is there afterwards, unchanged, every job ends, and the tables
// are what the tape says.
func TestPower(t *testing.T) {
	if *cuts == 0 {
		t.Skip("SKIPPED: power cuts are asked for with -cuts N; three take a minute")
	}
	needDisks(t)
	t.Parallel()
	program := build(t, "tapedeck")
	random := rand.New(rand.NewPCG(*seed, 0))
	var sum struct{ jobs, told, results int }
	v := &verdict{}
	defer func() { v.print(t.Failed()) }()
	for done := 0; done < *cuts && !t.Failed(); {
		n := min(cutsPerDisk, *cuts-done)
		t.Run(fmt.Sprintf("cuts %d to %d", done+1, done+n), func(t *testing.T) {
			l := newLedger()
			live(t, program, l, n, random, v)
			sum.jobs, sum.told, sum.results = sum.jobs+len(l.jobs), sum.told+len(l.told), sum.results+len(l.results)
		})
		done += n
	}
	t.Logf("%d jobs acknowledged, %d outcomes told, %d results read before the cuts", sum.jobs, sum.told, sum.results)
}

// live is the life of one disk.
func live(t *testing.T, program string, l *ledger, n int, random *rand.Rand, v *verdict) {
	v.whole = false
	d := newDeck(t, program, diskSize)
	for range n {
		position := d.cut(l, random)
		v.cuts++
		d.up.Start()
		d.ready()
		ahead, missing := d.ahead(position), d.missing(l)
		for _, lost := range append(ahead, missing...) {
			t.Error(lost)
		}
		v.unlike, v.lost = v.unlike+len(ahead), v.lost+len(missing)
		d.submitAgain(l)
	}
	if !*shipped {
		d.quicken()
	}
	begin := time.Now()
	v.jobs, v.stuck = v.jobs+len(l.jobs), v.stuck+len(l.jobs)
	d.allEnd(l, func() { v.stuck-- })
	t.Logf("all %d jobs ended within %v of the last start", len(l.jobs), time.Since(begin).Round(time.Millisecond))
	v.unlike += d.compare(l)
	outcomes, lost, doubled := d.oneOutcomeEach(l)
	v.outcomes, v.lost, v.doubled = v.outcomes+outcomes, v.lost+lost, v.doubled+doubled
	d.verify()
	v.whole = true
	d.up.Stop()
}

// A verdict is what a run found, in one line.
type verdict struct {
	cuts, jobs, outcomes, lost, doubled, stuck, unlike int
	whole                                              bool // everything was looked at
}

// print writes the line to standard output, where it begins with the seed and
// ends with "unlike" if nothing was wrong:
//
//	seed 7: 5 cuts, 103 jobs, 1021 outcomes: 0 lost, 0 doubled, 0 stuck, 0 rows unlike
//
// If something was, or the run ended before all was looked at, it ends with
// FAILED and how far it came.
func (v *verdict) print(failed bool) {
	end := ""
	switch {
	case !v.whole:
		end = ", FAILED before all was looked at"
	case failed:
		end = ", FAILED"
	}
	fmt.Printf("seed %d: %d cuts, %d jobs, %d outcomes: %d lost, %d doubled, %d stuck, %d rows unlike%s\n",
		*seed, v.cuts, v.jobs, v.outcomes, v.lost, v.doubled, v.stuck, v.unlike, end)
}

// quicken shortens the wait after which the server delivers again what the
// analyzer had in hand at the cut, until the next start.
func (d *deck) quicken() {
	d.t.Helper()
	ctx, cancel := d.within(readyTime)
	defer cancel()
	nc := d.embedded(stream.RoleProvisioner)
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		d.t.Fatal(err)
	}
	consumers := map[string]string{stream.DispatchConsumer: stream.Tape}
	for _, lane := range stream.Lanes() {
		consumers[lane.Consumer()] = stream.Work
	}
	for name, of := range consumers {
		consumer, err := js.Consumer(ctx, of, name)
		if err != nil {
			d.t.Fatal(err)
		}
		config := consumer.CachedInfo().Config
		config.AckWait = quickAckWait
		if _, err := js.UpdateConsumer(ctx, of, config); err != nil {
			d.t.Fatal(err)
		}
	}
}

// cut lets users work, cuts the power, and mounts the disk again. It returns
// the checkpoint as the cut left it.
func (d *deck) cut(l *ledger, random *rand.Rand) store.Position {
	d.t.Helper()
	users := startLoad(d, l, random.Uint64())
	enough := l.heard() + random.IntN(mostHeard)
	for begin := time.Now(); l.heard() < enough && time.Since(begin) < loadTime; {
		time.Sleep(processes.PollEvery)
	}
	time.Sleep(time.Duration(random.Int64N(int64(longestLull)))) // a moment by chance, not a wait for something
	l.power(false)
	d.disk.cut()
	d.up.Kill()
	users.end()
	l.power(true)
	d.disk.unmount()
	d.disk.mount()
	d.t.Logf("power cut; so far %d jobs acknowledged, %d outcomes told, %d results read", len(l.jobs), len(l.told), len(l.results))
	return d.recorded()
}

// recorded reads the checkpoint as the cut left it, from a copy, so that it is
// tapedeck that finds the database in its state.
func (d *deck) recorded() store.Position {
	d.t.Helper()
	dir := d.t.TempDir()
	files, err := filepath.Glob(filepath.Join(d.data, "tapedeck.db*"))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, file := range files {
		copyFile(d.t, file, filepath.Join(dir, filepath.Base(file)))
	}
	ctx, cancel := d.within(readyTime)
	defer cancel()
	reader, err := dsn.OpenReader("sqlite:"+filepath.Join(dir, "tapedeck.db"), dsn.Options{})
	if err != nil {
		d.t.Fatal(err)
	}
	defer reader.Close()
	position, err := reader.Position(ctx)
	if err != nil && !errors.Is(err, store.ErrNoDatabase) && !errors.Is(err, store.ErrSchema) {
		d.t.Errorf("the database after a cut: %v", err)
	}
	return position
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if info, err := os.Lstat(from); err != nil || info.Mode()&os.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err == nil {
			err = os.Symlink(target, to)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	source, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	target, err := os.Create(to)
	if err == nil {
		_, err = io.Copy(target, source)
		err = errors.Join(err, target.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ahead tells what was recorded and is not on the tape.
func (d *deck) ahead(position store.Position) []string {
	d.t.Helper()
	if position.Seq == 0 {
		return nil
	}
	ctx, cancel := d.within(readyTime)
	defer cancel()
	nc, tape := d.tape()
	defer nc.Close()
	message, err := tape.At(ctx, position.Seq)
	if err != nil || message.Anchor() != position.Anchor {
		return []string{fmt.Sprintf("recorded up to %d, %q, but the tape has %q there, %v", position.Seq, position.Anchor, message.Anchor(), err)}
	}
	return nil
}

// missing tells which acknowledged jobs are not there.
func (d *deck) missing(l *ledger) (lost []string) {
	d.t.Helper()
	ctx, cancel := d.within(readyTime)
	defer cancel()
	for id, r := range l.jobs {
		if job, err := d.client.Job(ctx, id); err != nil || job.Total != len(r.tickers) {
			lost = append(lost, fmt.Sprintf("job %s of %d tickers was acknowledged as %d; now it is of %d, %v",
				id, len(r.tickers), r.seq, job.Total, err))
		}
	}
	return lost
}

// submitAgain repeats the submissions that had no answer under their keys.
func (d *deck) submitAgain(l *ledger) {
	d.t.Helper()
	again := l.unknown
	l.unknown = nil
	for _, r := range again {
		processes.Until(d.t, readyTime, "what had no answer to be accepted", func() error { // so many at once may be too many
			accepted, err := d.client.Submit(d.t.Context(), client.Submission{Tickers: r.tickers}, r.key)
			if err == nil {
				l.answered(r, accepted, nil)
			}
			return err
		})
	}
}

// allEnd waits until all jobs have ended, and says so of each.
func (d *deck) allEnd(l *ledger, ended func()) {
	d.t.Helper()
	for id := range l.jobs {
		processes.Until(d.t, endTime, "job "+id+" to end", func() error {
			job, err := d.client.Job(d.t.Context(), id)
			if err == nil && !job.Status.Ended() {
				err = fmt.Errorf("%s, %d of %d pending, as of %d", job.Status, job.Pending, job.Total, job.AsOfSeq)
			}
			if err == nil && job.Status != events.StatusCompleted {
				d.t.Errorf("job %s ended as %+v", id, job)
			}
			return err
		})
		ended()
	}
}

// compare holds that what was told and read before is so now, and counts what is not.
func (d *deck) compare(l *ledger) (unlike int) {
	d.t.Helper()
	for _, err := range l.errs {
		unlike++
		d.t.Error(err)
	}
	now := map[place]outcome{}
	results := map[place]client.Result{}
	for id := range l.jobs {
		all(d, func(ctx context.Context, query url.Values) (client.Page[client.Detail], error) {
			return d.client.Details(ctx, id, query)
		}, func(detail client.Detail) { now[place{id, detail.Ticker}] = outcome{detail.Status, detail.Seq} })
		all(d, func(ctx context.Context, query url.Values) (client.Page[client.Result], error) {
			return d.client.Results(ctx, id, query)
		}, func(result client.Result) { results[place{id, result.Ticker}] = result })
	}
	for at, told := range l.told {
		if now[at] != told {
			unlike++
			d.t.Errorf("the outcome of %+v was told as %+v, now it is %+v", at, told, now[at])
		}
	}
	for at, read := range l.results {
		if diff := cmp.Diff(read, results[at]); diff != "" {
			unlike++
			d.t.Errorf("the result of %+v (-before +now):\n%s", at, diff)
		}
	}
	return unlike
}

func all[T any](d *deck, page func(context.Context, url.Values) (client.Page[T], error), take func(T)) {
	d.t.Helper()
	err := client.All(d.t.Context(), url.Values{"limit": {"1000"}}, page, func(item T) bool {
		take(item)
		return true
	})
	if err != nil {
		d.t.Fatalf("reading a list: %v", err)
	}
}

// oneOutcomeEach holds that the tape has one outcome for each ticker of each
// acknowledged job, and counts them, those that are not there, and those more.
func (d *deck) oneOutcomeEach(l *ledger) (all, lost, doubled int) {
	d.t.Helper()
	ctx, cancel := d.within(time.Minute)
	defer cancel()
	nc, _ := d.tape()
	defer nc.Close()
	outcomes := map[place]int{}
	err := events.Replay(ctx, nc, events.ReplayConfig{}, func(recorded events.Recorded) error {
		switch data := recorded.Data.(type) {
		case *events.TickerAnalyzed:
			outcomes[place{data.JobID, data.Ticker}]++
		case *events.TickerFailed:
			outcomes[place{data.JobID, data.Ticker}]++
		}
		return nil
	})
	if err != nil {
		d.t.Fatalf("reading the tape: %v", err)
	}
	for id, r := range l.jobs {
		for _, ticker := range r.tickers {
			n := outcomes[place{id, ticker}]
			all, lost, doubled = all+n, lost+max(1-n, 0), doubled+max(n-1, 0)
			if n != 1 {
				d.t.Errorf("%s of job %s has %d outcomes on the tape", ticker, id, n)
			}
		}
	}
	return all, lost, doubled
}

// verify holds that the tables are what the tape says.
func (d *deck) verify(flags ...string) {
	d.t.Helper()
	out, _ := processes.Command(d.t, 0, d.path, nil, append([]string{"verify", "--data", d.data}, flags...)...)
	d.t.Logf("verify: %s", out)
}
