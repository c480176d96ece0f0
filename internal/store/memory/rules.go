package memory

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

// This file has the rules of the tables (schema/*/*.sql) and the one form that
// values take on the way through a real database.

var (
	errTwice   = errors.New("the key is there already")
	errMissing = errors.New("what the row hangs on is not there")
	errWord    = errors.New("not a word of this column")
	errRange   = errors.New("a number out of its range")
	errText    = errors.New("a text with a NUL or that is not UTF-8")
)

func checkJob(j *store.Job) error {
	switch {
	case j.Kind != events.KindAnalysis && j.Kind != events.KindBacktest:
		return fmt.Errorf("%w: kind %q", errWord, j.Kind)
	case j.Total <= 0:
		return fmt.Errorf("%w: total %d", errRange, j.Total)
	}
	return checkOrigin(j.Origin)
}

func checkOrigin(o events.Origin) error {
	switch o {
	case events.OriginAPI, events.OriginWatchlist, events.OriginSchedule, events.OriginRetry, events.OriginImport:
		return nil
	}
	return fmt.Errorf("%w: origin %q", errWord, o)
}

func checkProgress(p *store.Progress) error {
	switch {
	case !slices.Contains(statuses, p.Status):
		return fmt.Errorf("%w: status %q", errWord, p.Status)
	case p.Total <= 0, p.Analyzed < 0, p.Failed < 0, p.Cancelled < 0, p.Late < 0, p.Duplicates < 0, p.Pending() < 0:
		return fmt.Errorf("%w: %+v", errRange, *p)
	}
	return nil
}

func checkDetail(d *store.Detail) error {
	switch {
	case d.Status != store.DetailAnalyzed && d.Status != store.DetailFailed && d.Status != store.DetailCancelled:
		return fmt.Errorf("%w: status %q", errWord, d.Status)
	case d.Position < 0, d.Attempts < 0:
		return fmt.Errorf("%w: position %d, attempts %d", errRange, d.Position, d.Attempts)
	case (d.Status == store.DetailFailed) != (d.Code != ""):
		return fmt.Errorf("%w: %s by %q", errWord, d.Status, d.Code)
	}
	return nil
}

func checkResult(r *store.Result) error {
	switch r.Verdict {
	case events.StrongBuy, events.Buy, events.Hold, events.Sell, events.StrongSell:
	default:
		return fmt.Errorf("%w: verdict %q", errWord, r.Verdict)
	}
	if r.Attempts < 0 || r.Lineage.Bars < 0 {
		return fmt.Errorf("%w: attempts %d, bars %d", errRange, r.Attempts, r.Lineage.Bars)
	}
	return checkOrigin(r.Origin)
}

func checkBacktest(b *store.BacktestRow) error {
	if b.Metrics.Days.Sessions <= 0 || b.Metrics.Trading.Trades < 0 || b.Attempts < 0 || b.Lineage.Bars < 0 || b.TradesLeftOut < 0 {
		return fmt.Errorf("%w: backtest of %s in job %s", errRange, b.Ticker, b.JobID)
	}
	return checkOrigin(b.Origin)
}

// sound refuses values that one of the databases, or the dump, does not take.
func sound(values []any) ([]any, error) {
	for _, value := range values {
		switch v := value.(type) {
		case string:
			if !utf8.ValidString(v) || strings.IndexByte(v, 0) >= 0 {
				return nil, fmt.Errorf("%w: %.64q", errText, v)
			}
		case float64:
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("%w: %v", errRange, v)
			}
		}
	}
	return values, nil
}

// normalTime is a time as it comes back: whole milliseconds in UTC.
func normalTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMilli(t.UnixMilli()).UTC()
}

func normalList(list *[]string) {
	if *list == nil {
		*list = []string{}
	}
}

func normalJob(j *store.Job) {
	j.Deadline, j.CreatedAt = normalTime(j.Deadline), normalTime(j.CreatedAt)
	normalList(&j.Tickers)
	if j.Strategy == nil {
		j.Strategy = []byte{}
	}
	for _, f := range []*float64{&j.Capital, &j.Options.RiskPercent, &j.Options.PositionLimitPercent, &j.Options.MinRiskReward} {
		*f += 0 // -0 comes back as 0
	}
}

func normalResult(r *store.Result) {
	r.RecordedAt, r.StartedAt, r.CompletedAt = normalTime(r.RecordedAt), normalTime(r.StartedAt), normalTime(r.CompletedAt)
	for _, list := range []*[]string{&r.Warnings, &r.Plan.Adjustments, &r.Lineage.Warnings, &r.Lineage.Notes} {
		normalList(list)
	}
	p := &r.Plan
	for _, f := range []*float64{&r.Score, &r.Coverage, &p.Entry, &p.Stop, &p.Target, &p.RiskReward, &p.RiskAmount, &p.Value} {
		*f += 0
	}
}

func normalBacktest(b *store.Backtest) {
	b.RecordedAt, b.StartedAt, b.CompletedAt = normalTime(b.RecordedAt), normalTime(b.StartedAt), normalTime(b.CompletedAt)
	for _, list := range []*[]string{&b.Warnings, &b.Lineage.Warnings, &b.Lineage.Notes} {
		normalList(list)
	}
}
