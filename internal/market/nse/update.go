package nse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// A Span says which sessions of the archive an Update is about. The zero Span
// is the newest History ones.
type Span struct {
	// Bars means those that a request for so many bars needs: as many sessions,
	// and some more for holidays that the calendar does not know.
	Bars int
	// Since means those from this date (midnight UTC) on. It counts if Bars is 0.
	Since time.Time
}

// A Filling is how far an Update has come: of Sessions from the date First to
// Last, There had their file before, Fetched have it now, Missing have none at
// the exchange (it is not published yet, or there was no session), and Failed
// could not be had. Again are those of Missing that a later Update asks for
// again: the exchange's word on a session of the calendar is not believed at once.
type Filling struct {
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Sessions int       `json:"sessions"`
	There    int       `json:"there"`
	Fetched  int       `json:"fetched"`
	Missing  int       `json:"missing"`
	Failed   int       `json:"failed"`
	Again    int       `json:"again"`
}

// Done is how many of the sessions are settled, in whatever way.
func (f Filling) Done() int { return f.There + f.Fetched + f.Missing + f.Failed }

// Update fetches what the archive lacks of a span and returns when that is
// done. It calls progress (which may be nil) at the start and after each day,
// the newest first. It goes on past days that fail, and returns the first few
// of their errors; while the server is left alone after many failures it waits,
// but no more than maxRests times in a row in vain. When ctx ends it returns a *market.Error around ctx's error,
// and what it asked for is fetched on until Close. An archive that is only
// read, a span beyond MaxHistory sessions, or one that begins after the
// exchange's today, is CodeInvalid.
func (p *Provider) Update(ctx context.Context, span Span, progress func(Filling)) (Filling, error) {
	if p.queue == nil {
		return Filling{}, &market.Error{Code: market.CodeInvalid, Err: errors.New("the archive is only read; updating it needs downloads")}
	}
	sessions := p.sessions(span)
	if err := p.checkSpan(span, sessions); err != nil {
		return Filling{}, &market.Error{Code: market.CodeInvalid, Err: err}
	}
	wanted, doubted, state, err := p.begin(sessions)
	if err != nil {
		return Filling{}, err
	}
	if progress == nil {
		progress = func(Filling) {}
	}
	progress(state)
	u := &update{Filling: state, progress: progress}
	err = u.await(ctx, slices.Concat(wanted, doubted))
	for rests := 0; err == nil && len(u.held) > 0 && rests < maxRests; rests++ {
		before := u.Done()
		if err = u.rest(ctx, p); u.Done() > before {
			rests = -1
		}
	}
	if err != nil {
		return u.Filling, err
	}
	return u.Filling, u.end()
}

// checkSpan says what is wrong with a span that has these sessions.
func (p *Provider) checkSpan(span Span, sessions []time.Time) error {
	since, now := span.Since.Format(time.DateOnly), p.queue.now()
	switch {
	case len(sessions) > MaxHistory+slackSessions:
		return fmt.Errorf("%d sessions since %s are more than the %d that an archive may have; the earliest date to begin with is %s",
			len(sessions), since, MaxHistory, dateOf(sessions[len(sessions)-MaxHistory]))
	case span.Bars == 0 && span.Since.After(now.Add(aheadOfUTC)):
		return fmt.Errorf("%s has not come yet; the newest session whose file should be published is of %s",
			since, dateOf(p.queue.calendar.LastClosed(now.Add(-publishDelay))))
	}
	return nil
}

// An update is one under way.
type update struct {
	Filling
	progress func(Filling)
	failed   []error // the first few
	// held are the days that wait for the end of an outage, the newest first;
	// outage is the last error of one of them.
	held   []date
	outage error
}

// await counts how downloads end. Its error is that of ctx.
func (u *update) await(ctx context.Context, downloads []*download) error {
	for _, one := range downloads {
		switch err := one.wait(ctx); {
		case errors.Is(err, errLeft):
			return market.ContextError(ctx, "")
		case isOutage(err):
			u.held, u.outage = append(u.held, one.date), err
			continue
		case err != nil:
			if u.Failed++; len(u.failed) < shownFailures {
				u.failed = append(u.failed, err)
			}
		case one == nil || one.absent:
			u.Missing++
			if one == nil || one.again {
				u.Again++
			}
		default:
			u.Fetched++
		}
		u.progress(u.Filling)
	}
	return nil
}

// rest waits until the server may be asked again, and has the days that wait for
// that fetched.
func (u *update) rest(ctx context.Context, p *Provider) error {
	timer := time.NewTimer(restTime)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return market.ContextError(ctx, "")
	case <-timer.C:
	}
	v, err := p.view("")
	if err != nil {
		return err
	}
	defer v.root.Close()
	days := u.held
	u.held = nil
	slices.Sort(days)
	return u.await(ctx, p.queue.request(days, v.newest(), v.absent))
}

// end counts the days that were waited for in vain as failed, and returns the
// errors.
func (u *update) end() error {
	if n := len(u.held); n > 0 {
		u.Failed += n
		u.progress(u.Filling)
		u.failed = append(u.failed, fmt.Errorf("the server is down: %d days remain after %d rests of %s: %w", n, maxRests, breakerTime, u.outage))
	}
	return errors.Join(u.failed...)
}

// begin has what is missing of some sessions fetched and says how it stands;
// doubted are those that the exchange has said it has no file of.
func (p *Provider) begin(sessions []time.Time) (wanted, doubted []*download, state Filling, err error) {
	state.Sessions = len(sessions)
	if len(sessions) == 0 {
		return nil, nil, state, nil
	}
	state.First, state.Last = sessions[0], sessions[len(sessions)-1]
	v, err := p.view("")
	if err != nil {
		return nil, nil, state, err
	}
	defer v.root.Close()
	missing, again := v.lacks(sessions), v.doubted(sessions, p.queue.now())
	for _, session := range sessions {
		d := dateOf(session)
		if _, has := v.has[d]; has {
			state.There++
		} else if n, noted := v.absent[d]; noted && !slices.Contains(again, d) {
			state.Missing++
			if !n.final() {
				state.Again++
			}
		}
	}
	wanted = p.queue.request(missing, v.newest(), v.absent)
	return wanted, p.queue.request(again, v.newest(), v.absent), state, nil
}

// sessions lists those of a span whose files should have been published.
func (p *Provider) sessions(span Span) []time.Time {
	newest := p.queue.calendar.LastClosed(p.queue.now().Add(-publishDelay))
	n := p.archive.history
	switch {
	case span.Bars > 0:
		n = min(span.Bars, MaxHistory) + slackSessions
	case !span.Since.IsZero():
		return p.queue.calendar.Sessions(span.Since, newest)
	}
	all := p.queue.calendar.Sessions(newest.AddDate(0, 0, -daysFor(n)), newest)
	return all[max(0, len(all)-n):]
}

// lacks are the dates of sessions of which the archive has neither the file
// nor a note that there is none, the oldest first.
func (s *snapshot) lacks(sessions []time.Time) []date {
	var missing []date
	for _, session := range sessions {
		d := dateOf(session)
		_, has := s.has[d]
		if _, absent := s.absent[d]; !has && !absent {
			missing = append(missing, d)
		}
	}
	return missing
}

// newest is the date of the newest file.
func (s *snapshot) newest() date {
	if len(s.days) == 0 {
		return everyDay
	}
	return s.days[len(s.days)-1].date
}

// errLeft is a caller that left before a download ended.
var errLeft = errors.New("the caller left")

// wait waits for the end of a download, whose error it returns, or of ctx. A
// nil download is of a day that is not published yet, and has ended.
func (d *download) wait(ctx context.Context) error {
	if d == nil {
		return nil
	}
	select {
	case <-d.done:
		return d.err
	case <-ctx.Done():
		return errLeft
	}
}

// fetch waits until the archive has the days that so many bars need, as far as
// the exchange has them. It returns the date of the newest session whose file
// should be there. It is nothing without Download. Nobody waits for a day that
// the exchange has said it has no file of: what comes of asking again is seen by
// later calls.
func (p *Provider) fetch(ctx context.Context, ticker string, bars int) (newest date, err error) {
	if p.queue == nil {
		return everyDay, nil
	}
	sessions := p.sessions(Span{Bars: min(bars, p.archive.history)})
	wanted, _, state, err := p.begin(sessions)
	if err != nil {
		return everyDay, withTicker(err, ticker)
	}
	for i, one := range wanted {
		switch err := one.wait(ctx); {
		case errors.Is(err, errLeft):
			return everyDay, p.queue.tooLate(ctx, ticker, wanted[i:])
		case err != nil:
			return everyDay, withTicker(err, ticker)
		}
	}
	return dateOf(state.Last), nil
}

// late warns of the sessions up to a date whose files the exchange does not have
// yet, or is empty.
func (v *view) late(calendar Calendar, upTo date) string {
	if v.newest() >= upTo {
		return ""
	}
	missing := v.lacks(calendar.Sessions((v.newest() + 1).time(), upTo.time()))
	if len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("the exchange has no files yet of %d sessions after %s, or there were none", len(missing), v.newest())
}

// tooLate is the answer to a caller whose time is over before all that it waits
// for has come. While it does come, that is no failure of the exchange's: the
// caller is told when the last of it will be there, so that it does not spend
// its attempts on waiting.
func (q *queue) tooLate(ctx context.Context, ticker string, wanted []*download) error {
	n, wait := q.left(wanted)
	return &market.Error{Code: market.CodeTimeout, Ticker: ticker, RetryAfter: min(wait, maxRefusedPause), Err: fmt.Errorf(
		"waiting for %d daily files from the exchange, which are fetched on and may take %s: %w", n, wait.Round(time.Second), ctx.Err())}
}

// left is how many days must still come until all of some have, which are
// given the newest first, and how long that takes; 0 when it cannot be told.
func (q *queue) left(wanted []*download) (n int, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	oldest := everyDay
	for _, d := range slices.Backward(wanted) {
		if d != nil {
			oldest = d.date
			break
		}
	}
	for d := range q.open {
		if d >= oldest { // the queue takes the newest first, whoever asked
			n++
		}
	}
	return n, q.pace.left(time.Now(), n)
}
