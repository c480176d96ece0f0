package power_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
)

const (
	// submitters is how many clients submit one job after the other.
	submitters = 4
	// mostTickers is the most tickers of a job of the load.
	mostTickers = 20
)

// An outcome is one as it was told.
type outcome struct {
	Status string `json:"status"`
	Seq    uint64 `json:"seq"`
}

// A place is one ticker of a job.
type place struct {
	JobID  string `json:"job_id"`
	Ticker string `json:"ticker"`
}

// A request is a submission under its key.
type request struct {
	key     string
	tickers []string
	seq     uint64 // as it was acknowledged
}

// A ledger is what users were told: what must be so for ever.
type ledger struct {
	mu      sync.Mutex // guards all below
	dark    bool       // the power is off
	next    int        // number of the next request
	jobs    map[string]request
	told    map[place]outcome
	results map[place]client.Result
	unknown []request // without an answer
	errs    []error   // contradictions
}

func newLedger() *ledger {
	return &ledger{jobs: map[string]request{}, told: map[place]outcome{}, results: map[place]client.Result{}}
}

// request makes up a submission.
func (l *ledger) request(random *rand.Rand) request {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	r := request{key: fmt.Sprint("request-", l.next)}
	for i := range 1 + random.IntN(mostTickers) {
		r.tickers = append(r.tickers, fmt.Sprintf("P%d-%d", l.next, i))
	}
	return r
}

// power says whether there is any. What comes while there is none is from a
// machine that would not run: the kernel lets a write that was under way when
// the file system was shut down succeed, now and then, although it is lost.
func (l *ledger) power(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dark = !on
}

// answered keeps what a submission was answered.
func (l *ledger) answered(r request, accepted client.Accepted, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || l.dark {
		l.unknown = append(l.unknown, r)
		return
	}
	r.seq = accepted.Seq
	l.jobs[accepted.JobID] = r
}

// hear keeps an outcome that was told, and notes when it was told otherwise before.
func (l *ledger) hear(at place, told outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dark {
		return
	}
	if before, ok := l.told[at]; ok && before != told {
		l.errs = append(l.errs, fmt.Errorf("the outcome of %+v was told as %+v, then as %+v", at, before, told))
	}
	l.told[at] = told
}

func (l *ledger) read(result client.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.dark {
		l.results[place{result.JobID, result.Ticker}] = result
	}
}

// jobsSoFar is a copy of the accepted jobs.
func (l *ledger) jobsSoFar() map[string]request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.jobs)
}

// A load is users at work until they are stopped.
type load struct {
	stop context.CancelFunc
	work sync.WaitGroup
}

// startLoad lets users submit, follow and read.
func startLoad(d *deck, l *ledger, seed uint64) *load {
	ctx, cancel := context.WithCancel(d.t.Context())
	loaded := &load{stop: cancel}
	for i := range submitters {
		u := user{client: d.client, ledger: l, random: rand.New(rand.NewPCG(seed, uint64(i))), hasty: i == 0}
		loaded.work.Go(func() { u.submit(ctx) })
	}
	u := user{client: d.client, ledger: l}
	loaded.work.Go(func() { d.client.Follow(ctx, "", u.hear) }) //nolint:errcheck // it ends with ctx
	loaded.work.Go(func() {
		for ctx.Err() == nil {
			u.read(ctx)
		}
	})
	return loaded
}

// A user is one client.
type user struct {
	client *client.Client
	ledger *ledger
	random *rand.Rand
	hasty  bool // does not wait for the end of a job before the next
}

// submit submits one job after the other.
func (u user) submit(ctx context.Context) {
	for ctx.Err() == nil {
		r := u.ledger.request(u.random)
		accepted, err := u.client.Submit(ctx, client.Submission{Tickers: r.tickers}, r.key)
		u.ledger.answered(r, accepted, err)
		switch {
		case err != nil:
			time.Sleep(processes.PollEvery)
		case !u.hasty:
			u.client.Follow(ctx, accepted.JobID, u.hear) //nolint:errcheck // it ends with ctx
		}
	}
}

// hear takes in what a stream tells.
func (u user) hear(event client.Event) bool {
	var ticker struct {
		place
		outcome
	}
	if event.Name == "ticker" && json.Unmarshal(event.Data, &ticker) == nil {
		u.ledger.hear(ticker.place, ticker.outcome)
	}
	return true
}

// read reads the results of one job, whichever comes first.
func (u user) read(ctx context.Context) {
	for id := range u.ledger.jobsSoFar() {
		page, err := u.client.Results(ctx, id, url.Values{"limit": {"1000"}})
		if err != nil {
			return
		}
		for _, result := range page.Items {
			u.ledger.read(result)
		}
		return
	}
}

// heard is how many outcomes have been told.
func (l *ledger) heard() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.told)
}

// end stops the users.
func (l *load) end() {
	l.stop()
	l.work.Wait()
}
