package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/api"
	"github.com/tapedeck/tapedeck/internal/store"
)

// Users submit jobs, some of them twice, cancel some, and retry what failed,
// through api processes that run the product's Intake.
type users struct {
	w    *world
	apis []*process
	jobs []*submission // in the order of their making
	open int           // that wait for an answer
}

// A submission is what a user wants.
type submission struct {
	job      *events.JobQueued
	key      string // empty: none, and a new id with each submission
	accepted bool   // the user was told so
}

func newUsers(w *world) *users {
	u := &users{w: w}
	for i := range 2 {
		p := &process{w: w, name: fmt.Sprintf("api-%d", i), start: func() {}}
		u.apis = append(u.apis, p)
	}
	return u
}

// plan draws what users do in this run, until the healing.
func (u *users) plan(within time.Duration) {
	rnd := &u.w.rnd
	for i := range rnd.between(1, 4) {
		s := u.draw(i)
		at := rnd.span(0, within)
		u.w.after(at, func() { u.submit(s) })
		if s.key != "" && rnd.chance(0.3) { // impatient: the same once more, at once or later
			again := *s
			u.w.after(at+rnd.span(0, 10*time.Second), func() { u.submit(&again) })
		}
		if s.key != "" && rnd.chance(0.15) { // the key for something else
			other := *s
			job := *s.job
			job.Capital, job.RequestSHA256 = 777, shaOf(i, "other")
			other.job = &job
			u.w.after(at+rnd.span(0, 10*time.Second), func() { u.submit(&other) })
		}
		if rnd.chance(0.3) {
			u.w.after(at+rnd.span(0, 20*time.Second), func() { u.cancel(s) })
		}
		if rnd.chance(0.3) {
			u.w.after(at+rnd.span(10*time.Second, 60*time.Second), func() { u.retry(s) })
		}
	}
}

func shaOf(i int, text string) string { return fmt.Sprintf("%064x", fmt.Sprint(i, text)) }

// draw makes a job.
func (u *users) draw(i int) *submission {
	rnd := &u.w.rnd
	n := rnd.between(1, 8)
	if rnd.chance(0.05) {
		n = rnd.between(40, 60) // another lane
	}
	tickers := make([]string, n)
	for t := range tickers {
		tickers[t] = fmt.Sprintf("T%d.NS", (t*7+i)%97)
	}
	s := &submission{}
	id := u.newID()
	if rnd.chance(0.6) {
		s.key = fmt.Sprintf("key-%d", i)
		id = api.KeyedJobID(s.key)
	}
	deadline := u.w.now.Add(72 * time.Hour)
	if u.w.deserted || rnd.chance(0.15) {
		deadline = u.w.now.Add(rnd.span(20*time.Second, 5*time.Minute))
	}
	s.job = &events.JobQueued{
		JobID: id, Kind: events.KindAnalysis, Origin: events.OriginAPI, Tickers: tickers, Capital: 100000,
		StrategyName: "sim", StrategyHash: "hash", Strategy: []byte(`{"name":"sim"}`),
		Options:  events.Options{RiskPercent: 1, PositionLimitPercent: 10, MinRiskReward: 2, Bars: 250},
		Deadline: deadline.Truncate(time.Second), RequestSHA256: shaOf(i, "first"),
	}
	u.jobs = append(u.jobs, s)
	return s
}

func (u *users) newID() string {
	a, b := u.w.rnd.next(), u.w.rnd.next()
	return fmt.Sprintf("%08x-%04x-7%03x-8%03x-%012x", uint32(a), uint16(a>>32), a>>52, b&0xfff, b>>16)
}

// request has an api process do something, if it is there; else the user is told so.
func (u *users) request(do func(intake api.Intake), away func()) {
	p := oneOf(&u.w.rnd, u.apis)
	u.w.after(u.w.latency(), func() {
		if !p.alive {
			away()
			return
		}
		life := p.life
		answered := false
		p.after(0, func() {
			p.spawn(func(*coroutine) {
				do(api.Intake{Tape: client{p, publishPatience}, Clock: p.wall, Log: silent})
				answered = true
			})
		})
		u.w.after(40*time.Second, func() { // a connection that died, or a server that is stopped
			if !answered {
				u.w.note("user", "no answer", uint64(life), p.name)
				answered = true
				away()
			}
		})
	})
}

// submit asks for a job until it is accepted. Without a key nobody dares to
// ask twice.
func (u *users) submit(s *submission) {
	u.open++
	u.send(s)
}

func (u *users) send(s *submission) {
	again := func() {
		if s.key == "" {
			u.open--
			return
		}
		u.w.after(u.w.rnd.span(500*time.Millisecond, 3*time.Second), func() { u.send(s) })
	}
	u.request(func(intake api.Intake) {
		a, err := intake.Submit(context.Background(), s.job, s.key != "")
		var told *api.Problem
		switch {
		case err == nil:
			u.w.check.accepted(s, a)
			if !u.w.healed && u.w.rnd.chance(u.w.rates.lost) {
				u.w.after(0, again) // the answer is lost on its way to the user
				return
			}
			s.accepted = true
			u.open--
		case errors.As(err, &told) && told.Status == http.StatusUnprocessableEntity:
			u.w.check.conflict(s)
			u.open--
		case errors.As(err, &told) && told.Status == http.StatusConflict:
			u.w.check.taken(s)
			u.open--
		default:
			u.w.note("user", "refused", 0, err.Error())
			u.w.after(0, again)
		}
	}, again)
}

func (u *users) cancel(s *submission) {
	if !s.accepted || u.ended(s) {
		return
	}
	u.w.stats.cancel++
	u.request(func(intake api.Intake) {
		seq, err := intake.Cancel(context.Background(), s.job.JobID, "enough")
		if err == nil {
			u.w.check.cancelled(s.job.JobID, seq)
		}
	}, func() {})
}

func (u *users) ended(s *submission) bool {
	view, _, err := u.w.database.read.Job(context.Background(), s.job.JobID)
	return err == nil && view.Progress.Status.Ended()
}

// retry submits the failed tickers of a job that has ended, as the api does.
func (u *users) retry(s *submission) {
	ctx := context.Background()
	if !s.accepted || !u.ended(s) || u.w.healed {
		return
	}
	page, err := u.w.database.read.Details(ctx, store.DetailsQuery{JobID: s.job.JobID, Status: store.DetailFailed, Limit: store.MaxPage})
	if err != nil || len(page.Items) == 0 {
		return
	}
	job := *s.job
	job.JobID, job.ParentJobID, job.Origin, job.Tickers = u.newID(), s.job.JobID, events.OriginRetry, nil
	if !u.w.deserted {
		job.Deadline = u.w.now.Add(72 * time.Hour).Truncate(time.Second)
	}
	for _, d := range page.Items {
		job.Tickers = append(job.Tickers, d.Ticker)
	}
	again := &submission{job: &job}
	u.jobs = append(u.jobs, again)
	u.submit(again)
}

// expected is a job that is to be submitted and is not on the tape, if there is one.
func (u *users) expected() *events.JobQueued {
	for _, s := range u.jobs {
		if u.w.tape.last[events.JobSubject(s.job.JobID, "queued")] == 0 {
			return s.job
		}
	}
	return nil
}
