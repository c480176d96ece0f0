package recorder

import (
	"fmt"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

// rows collects the changes of one batch.
type rows struct {
	store.Changes
	moved   []*job // whose progress changed, each once, in the order of the first change
	isMoved map[*job]bool
	days    map[store.Day]int // by key (ResultSeq 0): index in Changes.Days
}

func newRows() *rows {
	return &rows{isMoved: make(map[*job]bool), days: make(map[store.Day]int)}
}

// move notes that the progress row of the job is to be written.
func (r *rows) move(j *job) {
	if !r.isMoved[j] {
		r.isMoved[j] = true
		r.moved = append(r.moved, j)
	}
}

// answer notes a day's answer. Sequences only grow, so the last one stays.
func (r *rows) answer(day store.Day) {
	key := day
	key.ResultSeq = 0
	if at, seen := r.days[key]; seen {
		r.Days[at] = day
		return
	}
	r.days[key] = len(r.Days)
	r.Days = append(r.Days, day)
}

func (r *rows) changes() store.Changes {
	for _, j := range r.moved {
		r.Progress = append(r.Progress, j.progress)
	}
	return r.Changes
}

func jobRow(e *Entry, data *events.JobQueued) store.Job {
	return store.Job{
		ID: data.JobID, Kind: data.Kind, Origin: data.Origin, ParentID: data.ParentJobID, Universe: data.Universe,
		Tickers: data.Tickers, Total: len(data.Tickers), Capital: data.Capital,
		StrategyName: data.StrategyName, StrategyHash: data.StrategyHash, Strategy: data.Strategy,
		Options: data.Options, RequestSHA256: data.RequestSHA256, Deadline: data.Deadline,
		Backtest: data.Backtest, CreatedAt: e.Message.At, Seq: e.Message.Seq,
	}
}

// doneRow is the detail of a ticker that was analyzed or backtested.
func doneRow(e *Entry, d store.Detail, position int) store.Detail {
	d.Position, d.Status, d.Seq = position, store.DetailAnalyzed, e.Message.Seq
	return d
}

func analyzedOutcome(data *events.TickerAnalyzed) store.Detail {
	return store.Detail{JobID: data.JobID, Ticker: data.Ticker, Attempts: data.Attempts, StartedAt: data.StartedAt, CompletedAt: data.CompletedAt}
}

func backtestedOutcome(data *events.TickerBacktested) store.Detail {
	return store.Detail{JobID: data.JobID, Ticker: data.Ticker, Attempts: data.Attempts, StartedAt: data.StartedAt, CompletedAt: data.CompletedAt}
}

// failedRow keeps a code that this program does not know in the message: the
// column takes known ones only, as readers do.
func failedRow(e *Entry, data *events.TickerFailed, position int) store.Detail {
	message := data.Message
	if data.Code.Known() != data.Code {
		message = fmt.Sprintf("unknown code %.64q: %s", data.Code, message)
	}
	return store.Detail{
		JobID: data.JobID, Ticker: data.Ticker, Position: position, Status: store.DetailFailed,
		Code: data.Code.Known(), Message: legible(message, maxTextBytes),
		Attempts: data.Attempts, StartedAt: data.StartedAt, CompletedAt: data.CompletedAt, Seq: e.Message.Seq,
	}
}

func resultRow(e *Entry, data *events.TickerAnalyzed, origin events.Origin) store.Result {
	report := &data.Report
	return store.Result{
		JobID: data.JobID, Ticker: data.Ticker, Seq: e.Message.Seq, RecordedAt: e.Message.At, Origin: origin,
		StrategyName: data.StrategyName, StrategyHash: data.StrategyHash,
		TradingDay: report.TradingDay, Verdict: report.Verdict, Score: report.Score, Coverage: report.Coverage,
		Regime: report.Regime, Warnings: report.Warnings, Plan: report.Plan, Numbers: report.Numbers,
		Lineage: report.Lineage, Attempts: data.Attempts, StartedAt: data.StartedAt, CompletedAt: data.CompletedAt,
	}
}

func backtestRow(e *Entry, data *events.TickerBacktested, origin events.Origin) store.Backtest {
	report := &data.Report
	return store.Backtest{
		JobID: data.JobID, Ticker: data.Ticker, Seq: e.Message.Seq, RecordedAt: e.Message.At, Origin: origin,
		StrategyName: data.StrategyName, StrategyHash: data.StrategyHash,
		FirstDay: report.FirstDay, LastDay: report.LastDay, Metrics: report.Metrics, TradesLeftOut: report.TradesLeftOut,
		Warnings: report.Warnings, Lineage: report.Lineage,
		Attempts: data.Attempts, StartedAt: data.StartedAt, CompletedAt: data.CompletedAt,
	}
}

func dayRow(e *Entry, data *events.TickerAnalyzed) store.Day {
	class := store.ClassReal
	if data.Report.Lineage.Synthetic {
		class = store.ClassSynthetic
	}
	return store.Day{
		Ticker: data.Ticker, StrategyHash: data.StrategyHash, Class: class,
		TradingDay: data.Report.TradingDay, ResultSeq: e.Message.Seq,
	}
}

func poisonRow(e *Entry, reason string) store.Poison {
	body := e.Message.Data
	if len(body) > store.PoisonBodyBytes {
		body = body[:store.PoisonBodyBytes]
	}
	return store.Poison{
		Seq: e.Message.Seq, RecordedAt: e.Message.At,
		Subject:   legible(e.Message.Subject, maxPoisonText),
		EventID:   legible(e.Message.Header.Get(events.HeaderID), maxPoisonText),
		EventType: legible(e.Message.Header.Get(events.HeaderType), maxPoisonText),
		Reason:    legible(reason, maxPoisonText),
		Body:      append([]byte{}, body...),
	}
}
