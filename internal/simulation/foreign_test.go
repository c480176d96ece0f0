package simulation_test

import (
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/events"
)

// A foreigner publishes on the tape without guards: second outcomes that say
// something else, and what is no event at all.
type foreigner struct {
	w     *world
	count int
}

func (f *foreigner) publish() {
	rnd := &f.w.rnd
	f.count++
	if early := f.w.users.expected(); early != nil && rnd.chance(0.2) {
		f.event(&events.TickerFailed{JobID: early.JobID, Ticker: oneOf(rnd, early.Tickers), Kind: early.Kind, Code: events.FailureNoData}, true)
		return
	}
	known := f.w.check.known
	if len(known) == 0 {
		f.poison(events.JobSubject(f.w.users.newID(), "queued"), "{")
		return
	}
	job := oneOf(rnd, known)
	ticker := oneOf(rnd, job.Tickers)
	switch rnd.below(8) {
	case 0:
		f.event(&events.TickerFailed{JobID: job.JobID, Ticker: ticker, Kind: job.Kind, Code: events.FailureNoData, Message: "foreign", Attempts: 1}, false)
	case 1:
		report := reportOf(ticker)
		report.Score = -report.Score
		f.event(&events.TickerAnalyzed{JobID: job.JobID, Ticker: ticker, Kind: job.Kind, StrategyName: job.StrategyName,
			StrategyHash: job.StrategyHash, Attempts: 1, Analyzer: "foreign", Report: report}, false)
	case 2:
		f.event(&events.TickerAnalyzed{JobID: job.JobID, Ticker: ticker, Kind: job.Kind, StrategyName: "other",
			StrategyHash: "other", Attempts: 1, Analyzer: "foreign", Report: reportOf(ticker)}, true)
	case 3:
		f.poison(events.TickerSubject(job.JobID, ticker, "analyzed"), `{"job_id": 5`)
	case 4:
		f.poison(events.JobSubject(f.w.users.newID(), "queued"), "\xff\x00")
	case 5:
		f.poison("tape.nonsense", "")
	case 6:
		f.poison(events.JobSubject(job.JobID, "cancelled"), `{"job_id":`)
	case 7:
		f.event(&events.TickerFailed{JobID: job.JobID, Ticker: "NOT-LISTED.NS", Kind: job.Kind, Code: events.FailureNoData}, true)
	}
}

// event publishes a well-formed event under an id of its own.
func (f *foreigner) event(data events.Data, poison bool) {
	ev := events.New("foreign", f.w.now, data)
	ev.ID = fmt.Sprintf("foreign-%d", f.count)
	msg, err := events.Encode(ev)
	if err != nil {
		f.w.broken("the foreign publisher cannot encode: %v", err)
		return
	}
	f.store(msg, poison)
}

func (f *foreigner) poison(subject, body string) {
	msg := nats.NewMsg(subject)
	msg.Data = []byte(body)
	f.store(msg, true)
}

func (f *foreigner) store(msg *nats.Msg, poison bool) {
	t := f.w.tape
	seq := t.end() + 1
	t.adding = entry{foreign: true, poison: poison}
	t.store(msg)
	t.adding = entry{}
	f.w.note("foreign", "publishes", seq, msg.Subject)
}
