package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
)

// An onTape is what the tape says of one job.
type onTape struct {
	outcomes  map[string]int    // how many each ticker has
	by        map[string]int    // outcomes of each analyzer
	completed int               // JobCompleted
	strongBuy map[string]uint64 // sequence of each ticker with that verdict
}

// replay reads all events of a job.
func (d *deck) replay(id string) onTape {
	d.t.Helper()
	seen := onTape{outcomes: map[string]int{}, by: map[string]int{}, strongBuy: map[string]uint64{}}
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	nc := d.tape()
	defer nc.Close()
	err := events.Replay(ctx, nc, events.ReplayConfig{JobID: id}, func(recorded events.Recorded) error {
		switch data := recorded.Data.(type) {
		case *events.TickerAnalyzed:
			seen.outcomes[data.Ticker]++
			seen.by[data.Analyzer]++
			if data.Report.Verdict == events.StrongBuy {
				seen.strongBuy[data.Ticker] = recorded.Seq
			}
		case *events.TickerBacktested:
			seen.outcomes[data.Ticker]++
			seen.by[data.Analyzer]++
		case *events.TickerFailed:
			seen.outcomes[data.Ticker]++
		case *events.JobCompleted:
			seen.completed++
		}
		return nil
	})
	if err != nil {
		d.t.Fatalf("reading job %s from the tape: %v", id, err)
	}
	return seen
}

// oneOutcomeEach holds that the tape has exactly one outcome for each ticker
// of a job that ended, and one announcement of its end.
func (d *deck) oneOutcomeEach(id string, tickers []string) onTape {
	d.t.Helper()
	var seen onTape
	processes.Until(d.t, readyTime, "the end of job "+id+" to be announced", func() error {
		if seen = d.replay(id); seen.completed == 0 {
			return fmt.Errorf("JobCompleted is not on the tape")
		}
		return nil
	})
	if seen.completed != 1 {
		d.t.Errorf("the end of job %s is announced %d times", id, seen.completed)
	}
	for _, ticker := range tickers {
		if n := seen.outcomes[ticker]; n != 1 {
			d.t.Errorf("%s has %d outcomes on the tape", ticker, n)
		}
	}
	if len(seen.outcomes) != len(tickers) {
		d.t.Errorf("the tape has outcomes of %d tickers, the job has %d", len(seen.outcomes), len(tickers))
	}
	return seen
}

// aSHA256 is how verify prints the sum of the tables.
var aSHA256 = regexp.MustCompile(`^[0-9a-f]{64}$`)

// verified holds that verify finds nothing, and returns the sum that it prints
// and the sequence up to which it looked.
func (d *deck) verified() (sum string, seq uint64) {
	d.t.Helper()
	return d.verify(d.operator...)
}

func (d *deck) verify(flags ...string) (sum string, seq uint64) {
	d.t.Helper()
	out, _ := command(d.t, 0, d.operatorEnv, "tapedeck", append([]string{"verify", "--json"}, flags...)...)
	var result struct {
		Seq    uint64 `json:"seq"`
		Rows   int    `json:"rows"`
		SHA256 string `json:"sha256"`
		Count  int    `json:"count"`
	}
	if err := json.Unmarshal([]byte(strings.TrimSpace(out)), &result); err != nil {
		d.t.Fatalf("reading what verify printed: %v\n%s", err, out)
	}
	if result.Count != 0 || result.Rows == 0 || !aSHA256.MatchString(result.SHA256) {
		d.t.Errorf("verify prints %+v", result)
	}
	return result.SHA256, result.Seq
}
