package stream_test

import (
	"context"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

var ctx = context.Background()

func queued(job string) events.Event {
	return events.New("test", time.Now(), &events.JobQueued{JobID: job, Tickers: []string{"A"}})
}

func analyzed(job, ticker string) events.Event {
	return events.New("test", time.Now(), &events.TickerAnalyzed{JobID: job, Ticker: ticker})
}

func failed(job, ticker string) events.Event {
	return events.New("test", time.Now(), &events.TickerFailed{JobID: job, Ticker: ticker, Code: events.FailureNoData})
}

func TestSmoke(t *testing.T) {
	s := streamtest.Server(t)
	tape := s.Tape(stream.RoleAPI)
	seq, err := tape.Publish(ctx, queued("j"))
	t.Log(seq, err)
	seq, err = tape.Publish(ctx, queued("j"))
	t.Log(seq, err)
	tail, err := tape.Tail(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := tail.Next(ctx, 10)
	t.Log(m, err)
	tail.Stop()
}
