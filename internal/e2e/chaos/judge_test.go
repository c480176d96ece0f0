package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
)

const (
	// settleTime bounds the rest of all jobs after the last fault: a lease of 3 s,
	// a few redeliveries, a reconnect, on a machine that does much else.
	settleTime = 90 * time.Second
	// settleShipped is the same with the waits as they are shipped: twice 30 s more.
	settleShipped = 150 * time.Second
	// inFlight is how long a message may be on its way through a cluster, between
	// elections. Meanwhile the leader (nats-server 2.15.2) knows the guards of what
	// is on its way, but what came without a guard only by its exact subject, and
	// our guard is a wildcard: an outcome of ours may be stored behind a foreign
	// one then, and is recorded as a duplicate. No program of tapedeck publishes
	// without a guard, so of ours there is never more than one.
	inFlight = 5 * time.Second
	// shownWrong is how many examples of one kind of wrong are printed.
	shownWrong = 10
)

// A judge holds what must be so when the faults have stopped.
type judge struct {
	*deck
	ledger *ledger
	watch  *watch
	wrongs map[string]int
	over   int // jobs that have ended
}

// The kinds of wrong that a verdict counts.
const (
	lost    = "LOST"
	doubled = "doubled"
	unlike  = "unlike the tape"
)

// wrong reports what is wrong, with so many examples of each kind.
func (j *judge) wrong(kind, format string, args ...any) {
	j.t.Helper()
	if j.wrongs[kind]++; j.wrongs[kind] <= shownWrong {
		j.t.Errorf(kind+": "+format, args...)
	}
}

// ended waits until every accepted job has ended, and returns them as they are.
func (j *judge) ended() map[string]client.Job {
	j.t.Helper()
	within := settleTime
	if j.shipped {
		within = settleShipped
	}
	jobs := map[string]client.Job{}
	processes.Until(j.t, within, "every accepted job to end", func() error {
		j.supervise()
		for _, one := range j.ledger.jobs {
			if jobs[one.id].Status.Ended() {
				continue
			}
			ctx, cancel := context.WithTimeout(j.t.Context(), answerTime)
			job, err := j.client.Job(ctx, one.id)
			cancel()
			if client.IsNotFound(err) {
				j.wrongs[lost]++
				j.t.Fatalf(lost+": job %s was accepted, and: %v", one.id, err)
			}
			if err != nil {
				return err
			}
			if !job.Status.Ended() {
				return fmt.Errorf("job %s of %d tickers is %s, %d pending, as of %d", one.id, job.Total, job.Status, job.Pending, job.AsOfSeq)
			}
			jobs[one.id] = job
			j.over++
		}
		return nil
	})
	return jobs
}

// A record is all that stands on the tape.
type record struct {
	last      uint64
	queued    map[string]uint64
	cancelled map[string]uint64
	completed map[string]int
	places    map[string][]standing // by job/ticker, in the order of the tape
	malformed int
	outcomes  int // of our own programs
}

// A standing is one message on the subjects of a ticker's outcome.
type standing struct {
	seq     uint64
	at      time.Time
	foreign bool
}

// read reads the whole tape.
func (j *judge) read(nc *nats.Conn) *record {
	j.t.Helper()
	r := &record{queued: map[string]uint64{}, cancelled: map[string]uint64{}, completed: map[string]int{}, places: map[string][]standing{}}
	config := events.ReplayConfig{OnMalformed: func(m events.Malformed) error {
		r.last, r.malformed = m.Seq, r.malformed+1
		if m.Header.Get(foreignHeader) == "" {
			j.wrong("malformed", "our own message %d on %s: %v", m.Seq, m.Subject, m.Err)
		}
		r.outcome(m.Subject, standing{m.Seq, m.At, true})
		return nil
	}}
	err := events.Replay(j.t.Context(), nc, config, func(e events.Recorded) error {
		r.last = e.Seq
		switch data := e.Data.(type) {
		case *events.JobQueued:
			if r.queued[data.JobID] != 0 {
				j.wrong(doubled, "job %s is queued at %d and at %d", data.JobID, r.queued[data.JobID], e.Seq)
			}
			r.queued[data.JobID] = e.Seq
		case *events.JobCancelled:
			r.cancelled[data.JobID] = e.Seq
		case *events.JobCompleted:
			r.completed[data.JobID]++
		default:
			r.outcome(data.NATSSubject(), standing{e.Seq, e.At, e.Source == foreignSource})
		}
		return nil
	})
	if err != nil {
		j.t.Fatalf("reading the tape: %v", err)
	}
	return r
}

func (r *record) outcome(subject string, one standing) {
	job, ticker, _, err := events.ParseSubject(subject)
	if err != nil || ticker == "" {
		return
	}
	if !one.foreign {
		r.outcomes++
	}
	key := job + "/" + ticker
	r.places[key] = append(r.places[key], one)
}

// tape holds what must be so of the tape: every accepted job, each announced
// once, and no outcome of ours where one stood already.
func (j *judge) tape(nc *nats.Conn) *record {
	j.t.Helper()
	var r *record
	processes.Until(j.t, readyTime, "the end of every job to be announced", func() error {
		j.supervise()
		j.wrongs = map[string]int{}
		r = j.read(nc)
		for _, one := range j.ledger.jobs {
			if r.completed[one.id] == 0 {
				return fmt.Errorf("that of job %s is not", one.id)
			}
		}
		return nil
	})
	for _, one := range j.ledger.jobs {
		if r.queued[one.id] != one.seq {
			j.wrong(lost, "job %s was accepted at %d and stands at %d", one.id, one.seq, r.queued[one.id])
		}
		if n := r.completed[one.id]; n != 1 {
			j.wrong(doubled, "the end of job %s is announced %d times", one.id, n)
		}
	}
	for id := range r.queued {
		if j.ledger.byID[id] == nil {
			j.wrong("unasked", "job %s is on the tape and was never answered", id)
		}
	}
	for key, places := range r.places {
		if !j.single(places) {
			j.wrong(doubled, "%s has outcomes at %v", key, places)
		}
	}
	return r
}

// single reports whether a ticker has at most one outcome of ours, and none where
// a foreign one stood before.
func (j *judge) single(places []standing) bool {
	var ours []standing
	for _, place := range places {
		if !place.foreign {
			ours = append(ours, place)
		}
	}
	if len(ours) == 0 || len(ours) == 1 && ours[0] == places[0] {
		return true
	}
	return len(ours) == 1 && len(j.nats) > 1 && ours[0].at.Sub(places[0].at) < inFlight
}

// tables holds that the api shows of every ticker the first outcome that stands
// on the tape, unless the job was cancelled before.
func (j *judge) tables(r *record, jobs map[string]client.Job) (tickers int) {
	j.t.Helper()
	for _, one := range j.ledger.jobs {
		details := j.details(one.id)
		tickers += len(one.tickers)
		if len(details) != len(one.tickers) {
			j.wrong(lost, "job %s has %d tickers and %d details", one.id, len(one.tickers), len(details))
		}
		for _, ticker := range one.tickers {
			detail, places := details[ticker], r.places[one.id+"/"+ticker]
			first, cancel := uint64(0), r.cancelled[one.id]
			if len(places) > 0 {
				first = places[0].seq
			}
			if jobs[one.id].Status == events.StatusCancelled && (first == 0 || first > cancel) {
				first = cancel
			}
			if detail.Seq != first || first == 0 {
				j.wrong(unlike, "%s of job %s is %s by %d; on the tape: %v, cancelled at %d",
					ticker, one.id, detail.Status, detail.Seq, places, cancel)
			}
		}
		j.told(one, details)
	}
	return tickers
}

func (j *judge) details(id string) map[string]client.Detail {
	j.t.Helper()
	details := map[string]client.Detail{}
	query := url.Values{"limit": {"1000"}}
	err := client.All(j.t.Context(), query, func(ctx context.Context, query url.Values) (client.Page[client.Detail], error) {
		return j.client.Details(ctx, id, query)
	}, func(detail client.Detail) bool {
		if _, twice := details[detail.Ticker]; twice {
			j.wrong(doubled, "job %s has two details of %s", id, detail.Ticker)
		}
		details[detail.Ticker] = detail
		return true
	})
	if err != nil {
		j.t.Fatalf("reading the details of job %s: %v", id, err)
	}
	return details
}

// told holds that the clients that followed were told of every outcome.
func (j *judge) told(one *accepted, details map[string]client.Detail) {
	j.watch.mu.Lock()
	defer j.watch.mu.Unlock()
	f := j.watch.jobs[one.id]
	if f != nil && (f.wrong != nil || !f.ended) {
		j.wrong("followed", "job %s: ended %t, %v", one.id, f.ended, f.wrong)
	}
	for ticker, detail := range details {
		if detail.Status == "cancelled" {
			continue
		}
		if f != nil && f.tickers[ticker] != detail.Seq {
			j.wrong("followed", "job %s: %s has its outcome at %d and was told at %d", one.id, ticker, detail.Seq, f.tickers[ticker])
		}
		if _, seen := j.watch.all[detail.Seq]; !seen && !j.watch.excused(detail.Seq) {
			j.wrong("followed", "the stream of all jobs did not tell of %d, %s of job %s", detail.Seq, ticker, one.id)
		}
	}
}

// excused reports whether the stream of all jobs said that it skips a sequence.
// The caller holds mu.
func (w *watch) excused(seq uint64) bool {
	return slices.ContainsFunc(w.resyncs, func(r [2]uint64) bool { return seq > r[0] && seq <= r[1] })
}

// followersDone waits until all that was to be told has been.
func (j *judge) followersDone(r *record, last uint64) {
	j.t.Helper()
	processes.Until(j.t, readyTime, "the followers to be told of the end", func() error {
		j.watch.mu.Lock()
		defer j.watch.mu.Unlock()
		for id, f := range j.watch.jobs {
			if !f.ended {
				return fmt.Errorf("that of job %s is not", id)
			}
		}
		if j.watch.last < last {
			return fmt.Errorf("the stream of all jobs is at %d of %d", j.watch.last, last)
		}
		return nil
	})
	processes.Until(j.t, readyTime, "the subscriber to get every event", func() error {
		if list := j.watch.missing(r.last); len(list) > 0 {
			return fmt.Errorf("%d are missing, the first is %d", len(list), list[0])
		}
		return nil
	})
}

// poisoned holds that what was set aside is what is foreign and cannot be read.
func (j *judge) poisoned(r *record) int {
	j.t.Helper()
	conn, err := pgx.Connect(j.t.Context(), j.owner)
	if err != nil {
		j.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var n int
	if err := conn.QueryRow(j.t.Context(), "SELECT count(*) FROM tapedeck.poison").Scan(&n); err != nil {
		j.t.Fatal(err)
	}
	if n < r.malformed {
		j.wrong("poison", "%d messages cannot be read, %d are set aside", r.malformed, n)
	}
	return n
}

// lastTold is the highest sequence of an outcome that counts.
func (j *judge) lastTold(r *record, jobs map[string]client.Job) (last uint64) {
	for _, one := range j.ledger.jobs {
		cancelled := jobs[one.id].Status == events.StatusCancelled
		for _, ticker := range one.tickers {
			places := r.places[one.id+"/"+ticker]
			if len(places) > 0 && !(cancelled && places[0].seq > r.cancelled[one.id]) {
				last = max(last, places[0].seq)
			}
		}
	}
	return last
}

var errNothing = errors.New("nothing has come")
