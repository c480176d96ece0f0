package nse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// queue fetches days for all callers at once: each day once, the newest first,
// whoever asked for it.
type queue struct {
	client   *client
	calendar Calendar
	now      func() time.Time
	log      *slog.Logger
	ctx      context.Context // ends with the provider
	cancel   context.CancelFunc
	workers  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	open    map[date]*download
	pace    pace               // of them
	waiting []date             // not yet begun, oldest first
	running int                // workers
	settled map[date]time.Time // until when a day is not asked for again: not published yet
	failed  map[date]failure
	// doubtful are those of open of which the server has no file, while it is
	// not clear what that means; newest is the newest file that there is.
	doubtful []date
	newest   date
	// missing are the dates of which this process was told so; noted are those
	// that the archive already had notes of.
	missing map[date]bool
	noted   map[date]note
	outage  bool // the server is left alone, and that has been logged
}

// A download is one day on its way.
type download struct {
	date   date
	done   chan struct{}
	err    error // set before done is closed, as is absent
	absent bool  // the exchange has no file, and that is no error
	again  bool  // it is absent and will be asked for again
}

// A failure is a day that could not be had a moment ago.
type failure struct {
	until time.Time
	err   error
}

func newQueue(c *client, cfg Config) *queue {
	ctx, cancel := context.WithCancel(context.Background())
	q := &queue{
		client: c, calendar: cfg.Calendar, now: cfg.Now, log: cfg.Logger,
		ctx: ctx, cancel: cancel,
		open: map[date]*download{}, settled: map[date]time.Time{}, failed: map[date]failure{},
		missing: map[date]bool{}, newest: everyDay,
	}
	c.halt = q.halt
	return q
}

// halt notes that the server asked for a pause.
func (q *queue) halt(pause time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pace.halt(time.Now(), pause)
}

func (q *queue) close() {
	q.mu.Lock()
	q.cancel() // under the lock: no worker begins after Wait
	q.mu.Unlock()
	q.workers.Wait()
}

// daysFor is a number of days that holds n sessions: of seven days at least
// four and a half in every stretch, and two weeks for a stretch of holidays.
func daysFor(n int) int { return n*14/9 + 14 }

// request has the days fetched and returns what to wait for, the newest day
// first. It is nil for a day that is not published yet: nobody waits for that.
func (q *queue) request(days []date, newest date, noted map[date]note) []*download {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.newest, q.noted = max(q.newest, newest), noted
	now := q.now()
	var wanted []*download
	for _, d := range slices.Backward(days) {
		one := q.open[d]
		if one == nil && !q.settled[d].After(now) {
			one = q.begin(d, now)
		}
		wanted = append(wanted, one)
	}
	for range min(concurrentFetches-q.running, len(q.waiting)) {
		q.running++
		q.workers.Go(q.work)
	}
	return wanted
}

// begin puts a day into the queue, or answers at once what is known of it.
func (q *queue) begin(d date, now time.Time) *download {
	one := &download{date: d, done: make(chan struct{})}
	if was, ok := q.failed[d]; ok && was.until.After(now) {
		one.err = askAgain(was.err, was.until.Sub(now))
	} else if q.ctx.Err() != nil {
		one.err = unavailable("", errors.New("the provider is closed"))
	}
	if one.err != nil {
		close(one.done)
		return one
	}
	if len(q.open) == 0 {
		q.pace.start(time.Now())
	}
	q.open[d] = one
	at, _ := slices.BinarySearch(q.waiting, d)
	q.waiting = slices.Insert(q.waiting, at, d)
	return one
}

// work fetches until nothing waits.
func (q *queue) work() {
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.running--
			q.mu.Unlock()
			return
		}
		d := q.waiting[len(q.waiting)-1]
		q.waiting = q.waiting[:len(q.waiting)-1]
		q.mu.Unlock()
		q.finish(d, q.get(d))
	}
}

// get fetches a day, unless somebody else has put its file there meanwhile.
func (q *queue) get(d date) error {
	if q.client.has(d) {
		return nil
	}
	return q.client.fetch(q.ctx, d)
}

// finish records how a day's download ended and lets the callers know.
func (q *queue) finish(d date, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err == nil || errors.Is(err, errAbsent) {
		q.pace.ended++
		q.outage = false
	}
	switch {
	case err == nil:
		q.newest = max(q.newest, d)
		q.forget(d)
		q.settle(d, nil)
	case !errors.Is(err, errAbsent):
		q.settle(d, err)
	case q.age(d) < recentSessions:
		q.pend(d)
	default:
		q.doubtful = append(q.doubtful, d)
	}
	q.decide()
}

// age is how many sessions after a day should have been published.
func (q *queue) age(d date) int {
	newest := q.calendar.LastClosed(q.now().Add(-publishDelay))
	return len(q.calendar.Sessions(d.time().AddDate(0, 0, 1), newest))
}

// pend leaves a day for later: its file may be late.
func (q *queue) pend(d date) {
	q.settled[d] = q.now().Add(pendingEvery)
	q.open[d].absent, q.open[d].again = true, true
	q.settle(d, nil)
}

// decide settles the dates of which the exchange has no file. It takes its word
// only when it has a newer file and no long run of them is missing: else it has
// new names for its files, and what is missing is no holiday.
func (q *queue) decide() {
	coming := len(q.open) > len(q.doubtful) // before some of both are settled
	q.doubtful = slices.DeleteFunc(q.doubtful, func(d date) bool {
		switch {
		case q.newest > d:
			q.open[d].absent = true
			q.settle(d, q.markAbsent(d))
		case coming:
			return false // the newer ones are still on their way
		case q.age(d) < maxAbsentRun: // a holiday, or a few late files: bars end before it
			q.pend(d)
		default:
			q.settle(d, unavailable(absentName(d), errors.New(
				"the exchange has no file of this session nor of a newer one; has it new names for them?")))
		}
		return true
	})
}

// askAgain is err with the time for which a day's failure stands, in which asking
// again is in vain; it may know of a longer one.
func askAgain(err error, after time.Duration) error {
	met, ok := errors.AsType[*market.Error](err)
	if !ok {
		return err
	}
	told := *met
	told.RetryAfter = max(met.RetryAfter, after)
	return &told
}

// complain logs that a day could not be had; of an outage once, not for each of
// the days that wait for its end, and of none that Close gave up.
func (q *queue) complain(d date, err error) {
	switch {
	case q.ctx.Err() != nil:
	case !isOutage(err):
		q.log.Warn("a daily file of NSE could not be had", "date", d.String(), "err", err)
	case !q.outage:
		q.outage = true
		q.log.Warn(fmt.Sprintf("NSE's server is down and asked again each %s; %d days remain", breakerTime, len(q.open)), "err", err)
	}
}

// settle ends a day's download.
func (q *queue) settle(d date, err error) {
	if err != nil {
		q.complain(d, err)
	}
	one := q.open[d]
	delete(q.open, d)
	delete(q.failed, d)
	if err != nil && q.ctx.Err() == nil {
		q.failed[d] = failure{q.now().Add(failureHold), err}
		err = askAgain(err, failureHold)
	}
	one.err = err
	close(one.done)
}
