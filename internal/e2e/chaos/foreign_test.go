package chaos_test

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/events"
)

const (
	// foreignSource is how the foreign publisher signs, where it signs at all.
	foreignSource = "chaos"
	// foreignHeader marks every message of the foreign publisher.
	foreignHeader = "Chaos"
	// foreignPause is the most between two foreign messages.
	foreignPause = 400 * time.Millisecond
)

// A foreign is a publisher that knows no guards and no manners. It may write to
// the tape and puts there what no program of tapedeck would.
type foreign struct {
	js        jetstream.JetStream
	ledger    *ledger
	published map[string]int // by kind
}

// run publishes until ctx ends.
func (f *foreign) run(ctx context.Context, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 400))
	kinds := []struct {
		name string
		make func(context.Context, *rand.Rand, *accepted) *nats.Msg
	}{
		{"duplicate", f.duplicate},
		{"conflict", f.conflict},
		{"poison in a ticker's place", place},
		{"poison", poison},
	}
	for ; ctx.Err() == nil; pause(ctx, rng, foreignPause) {
		job := f.ledger.some(rng, 5)
		if job == nil {
			continue
		}
		kind := kinds[rng.IntN(len(kinds))]
		msg := kind.make(ctx, rng, job)
		if msg == nil {
			continue
		}
		msg.Header.Set(foreignHeader, kind.name)
		msg.Header.Del(nats.MsgIdHdr)
		publishing, cancel := context.WithTimeout(ctx, answerTime)
		_, err := f.js.PublishMsg(publishing, msg)
		cancel()
		if err == nil {
			f.published[kind.name]++
		}
	}
}

// duplicate repeats an outcome that stands on the tape.
func (f *foreign) duplicate(ctx context.Context, rng *rand.Rand, job *accepted) *nats.Msg {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	tape, err := f.js.Stream(ctx, events.StreamName)
	if err != nil {
		return nil
	}
	ticker := job.tickers[rng.IntN(len(job.tickers))]
	stored, err := tape.GetLastMsgForSubject(ctx, events.TickerSubject(job.id, ticker, "analyzed"))
	if err != nil {
		return nil // no outcome yet, or no server
	}
	msg := nats.NewMsg(stored.Subject)
	for name, values := range stored.Header {
		if len(name) < 5 || name[:5] != "Nats-" { // the guards and what the server added
			msg.Header[name] = values
		}
	}
	msg.Header.Set(events.HeaderSource, foreignSource)
	msg.Data = stored.Data
	return msg
}

// conflict says that a ticker failed, before or after an analyzer says anything.
func (f *foreign) conflict(_ context.Context, rng *rand.Rand, job *accepted) *nats.Msg {
	now := time.Now()
	msg, err := events.Encode(events.New(foreignSource, now, &events.TickerFailed{
		JobID: job.id, Ticker: job.tickers[rng.IntN(len(job.tickers))], Kind: events.KindAnalysis,
		Code: events.FailureNoData, Message: "chaos says so", Attempts: 1, StartedAt: now, CompletedAt: now, Analyzer: foreignSource,
	}))
	if err != nil {
		return nil
	}
	return msg
}

// place puts what is not an event where a ticker's outcome belongs.
func place(_ context.Context, rng *rand.Rand, job *accepted) *nats.Msg {
	msg := nats.NewMsg(events.TickerSubject(job.id, job.tickers[rng.IntN(len(job.tickers))], "analyzed"))
	spoil(rng, msg, events.TypeTickerAnalyzed)
	return msg
}

// poison puts what is not an event anywhere else.
func poison(_ context.Context, rng *rand.Rand, job *accepted) *nats.Msg {
	subjects := []string{
		"tape.noise", "tape.job." + job.id + ".exploded", "tape.ticker.no-such-job.TCS%2ENS.analyzed",
		events.TickerSubject(job.id, "NOT-LISTED", "failed"), "tape.ticker.\x7f.\u202e.analyzed",
	}
	msg := nats.NewMsg(subjects[rng.IntN(len(subjects))])
	spoil(rng, msg, events.TypeTickerFailed)
	return msg
}

// spoil gives a message one of the bodies and envelopes that are wrong.
func spoil(rng *rand.Rand, msg *nats.Msg, kind events.Type) {
	envelope := func(kind events.Type) {
		msg.Header.Set(events.HeaderSpecVersion, "1.0")
		msg.Header.Set(events.HeaderID, "chaos-"+time.Now().Format(time.RFC3339Nano))
		msg.Header.Set(events.HeaderSource, foreignSource)
		msg.Header.Set(events.HeaderType, string(kind))
		msg.Header.Set(events.HeaderTime, time.Now().UTC().Format(time.RFC3339Nano))
	}
	switch rng.IntN(7) {
	case 0: // nothing at all
	case 1:
		msg.Data = []byte("not an event")
	case 2:
		envelope(kind)
		msg.Data = []byte(`{"job_id":`)
	case 3:
		envelope(kind)
		msg.Data = []byte(`{"job_id":"another","ticker":"TCS.NS"}`)
	case 4:
		envelope(kind)
		msg.Data = []byte("{\"job_id\":\"\\u0000\",\"ticker\":\"\xff\"}")
	case 5:
		envelope("tapedeck.v9.planet_aligned")
		msg.Data = []byte(`{"planet":"mars"}`)
	case 6:
		envelope(kind)
		msg.Header.Set(events.HeaderTime, "yesterday")
		msg.Data = make([]byte, 64<<10)
	}
}
