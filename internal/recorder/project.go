package recorder

import (
	"fmt"
	"sort"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// An Entry is one message of the tape and what it says. Err tells why it is
// not an event (events.ErrMalformed); then Event is empty.
type Entry struct {
	Message stream.Message
	Event   events.Recorded
	Err     error
}

// Read decodes a message. It cannot fail: what is malformed is an entry too.
func Read(msg stream.Message) Entry {
	event, err := msg.Decode()
	return Entry{Message: msg, Event: event, Err: err}
}

// A Projection is the fold of the tape into row changes. It holds the states
// of the jobs that it met lately; of all others it asks for (Missing, Learn).
// It is pure: no clock, no random, no I/O, no order of maps, and how the tape
// is cut into batches makes no difference to the rows. Not safe for concurrent use.
type Projection struct {
	jobs    map[string]*job // nil: known not to exist; only within a batch
	tickers int             // of all jobs in the map
	batch   uint64          // number of the batch, for the least recently used
}

// A job is what the fold needs to know of one.
type job struct {
	row      store.Job // without the strategy document
	index    map[string]int
	done     []bool // which tickers have a detail, by position
	progress store.Progress
	touched  uint64 // batch that used it last
}

// NewProjection returns a projection that knows no job.
func NewProjection() *Projection {
	return &Projection{jobs: make(map[string]*job)}
}

// Missing lists the jobs whose states Fold needs and does not have, each once,
// in the order of the batch.
func (p *Projection) Missing(batch []Entry) []string {
	var missing []string
	asked := make(map[string]bool)
	for i := range batch {
		id := batch[i].jobID()
		if id == "" || asked[id] {
			continue
		}
		if _, known := p.jobs[id]; !known {
			asked[id] = true
			missing = append(missing, id)
		}
	}
	return missing
}

// Learn takes the states of the jobs that were asked for. A job that was
// asked for and is not among the states does not exist.
func (p *Projection) Learn(asked []string, states []store.State) {
	for _, id := range asked {
		if _, known := p.jobs[id]; !known {
			p.jobs[id] = nil
		}
	}
	for i := range states {
		p.remember(jobOf(states[i]))
	}
}

// Fold returns the row changes of a batch: one progress row per job, one day
// per key. Every job that Missing names must have been learned. The states
// move on with it, so when the changes are not recorded, call Reset.
func (p *Projection) Fold(batch []Entry) store.Changes {
	p.batch++
	rows := newRows()
	for i := range batch {
		e := &batch[i]
		if reason := p.fold(rows, e); reason != "" {
			p.setAside(rows, e, reason)
		}
	}
	return rows.changes()
}

// Settle makes room after a commit: states beyond the limit are forgotten,
// those first that were not used for longest.
func (p *Projection) Settle() {
	var kept []*job
	for id, j := range p.jobs {
		if j == nil {
			delete(p.jobs, id)
			continue
		}
		kept = append(kept, j)
	}
	if p.tickers <= maxCachedTickers {
		return
	}
	sort.Slice(kept, func(a, b int) bool {
		if kept[a].touched != kept[b].touched {
			return kept[a].touched < kept[b].touched
		}
		return kept[a].row.ID < kept[b].row.ID
	})
	for _, j := range kept {
		if p.tickers <= maxCachedTickers {
			return
		}
		p.tickers -= len(j.done)
		delete(p.jobs, j.row.ID)
	}
}

// Reset forgets every state: what was folded was not recorded, or may not have been.
func (p *Projection) Reset() {
	clear(p.jobs)
	p.tickers = 0
}

func (p *Projection) remember(j *job) {
	if old := p.jobs[j.row.ID]; old != nil {
		p.tickers -= len(old.done)
	}
	p.jobs[j.row.ID] = j
	p.tickers += len(j.done)
}

// fold returns why the event is poison, or nothing.
func (p *Projection) fold(rows *rows, e *Entry) (reason string) {
	if e.Err != nil {
		return e.Err.Error()
	}
	if unknown, ok := e.Event.Data.(*events.Unknown); ok {
		return fmt.Sprintf("unknown type %q: a newer program wrote it; a rebuild by one that knows it folds it", unknown.Type)
	}
	if reason := checkID(e.Event.Data.Job()); reason != "" {
		return reason
	}
	if queued, ok := e.Event.Data.(*events.JobQueued); ok {
		return p.jobQueued(rows, e, queued)
	}
	j := p.jobs[e.Event.Data.Job()]
	if j == nil {
		return "unknown job: no JobQueued of it stands before this event"
	}
	j.touched = p.batch
	switch data := e.Event.Data.(type) {
	case *events.JobStarted:
		j.start(rows, e)
	case *events.JobCancelled:
		j.cancel(rows, e)
	case *events.JobCompleted:
		return j.announced(rows, e)
	case *events.TickerAnalyzed:
		return p.tickerAnalyzed(rows, e, j, data)
	case *events.TickerBacktested:
		return p.tickerBacktested(rows, e, j, data)
	case *events.TickerFailed:
		return p.tickerFailed(rows, e, j, data)
	}
	return ""
}

// jobQueued makes the job. A second JobQueued of a job cannot come through
// the guard of its subject.
func (p *Projection) jobQueued(rows *rows, e *Entry, data *events.JobQueued) (reason string) {
	if p.jobs[data.JobID] != nil {
		return "second JobQueued of this job"
	}
	if reason := checkQueued(data); reason != "" {
		return reason
	}
	j := jobOf(store.State{Job: jobRow(e, data), Progress: store.Progress{
		JobID: data.JobID, Status: events.StatusQueued, Total: len(data.Tickers), LastSeq: e.Message.Seq,
	}})
	j.touched = p.batch
	p.remember(j)
	rows.Jobs = append(rows.Jobs, jobRow(e, data))
	rows.move(j)
	return ""
}

// start: the first sign of work makes a queued job running.
func (j *job) start(rows *rows, e *Entry) {
	if j.progress.Status != events.StatusQueued {
		return
	}
	j.progress.Status = events.StatusRunning
	j.progress.StartedAt = e.Message.At
	j.changed(rows, e)
}

// cancel ends a job that has not ended: every ticker without an outcome is
// cancelled, and outcomes that come later do not count.
func (j *job) cancel(rows *rows, e *Entry) {
	if j.progress.Status.Ended() {
		return
	}
	for position, done := range j.done {
		if done {
			continue
		}
		j.done[position] = true
		j.progress.Cancelled++
		rows.Details = append(rows.Details, store.Detail{
			JobID: j.row.ID, Ticker: j.row.Tickers[position], Position: position,
			Status: store.DetailCancelled, Seq: e.Message.Seq,
		})
	}
	j.progress.Status = events.StatusCancelled
	j.progress.CancelSeq = e.Message.Seq
	j.progress.CompletedAt = e.Message.At
	j.changed(rows, e)
}

// announced notes that the end was told. It never ends a job by itself.
func (j *job) announced(rows *rows, e *Entry) (reason string) {
	if !j.progress.Status.Ended() {
		return fmt.Sprintf("JobCompleted of a job that has not ended: it is %s with %d tickers pending",
			j.progress.Status, j.progress.Pending())
	}
	if j.progress.AnnouncedSeq == 0 {
		j.progress.AnnouncedSeq = e.Message.Seq
		j.changed(rows, e)
	}
	return ""
}

func (p *Projection) tickerAnalyzed(rows *rows, e *Entry, j *job, data *events.TickerAnalyzed) (reason string) {
	position, listed := j.index[data.Ticker]
	if !listed {
		return notListed
	}
	if reason := checkAnalyzed(data, j); reason != "" {
		return reason
	}
	packed, err := store.EncodeIndicators(data.Report.Indicators)
	if err != nil {
		return err.Error()
	}
	if j.outcome(rows, e, doneRow(e, analyzedOutcome(data), position)) {
		rows.Results = append(rows.Results, resultRow(e, data, j.row.Origin))
		rows.Indicators = append(rows.Indicators, store.Indicators{Seq: e.Message.Seq, Data: packed})
		rows.answer(dayRow(e, data))
	}
	return ""
}

// tickerBacktested counts as analyzed; it answers for no day.
func (p *Projection) tickerBacktested(rows *rows, e *Entry, j *job, data *events.TickerBacktested) (reason string) {
	position, listed := j.index[data.Ticker]
	if !listed {
		return notListed
	}
	if reason := checkBacktested(data, j); reason != "" {
		return reason
	}
	packed, err := store.PackBacktest(&data.Report)
	if err != nil {
		return err.Error()
	}
	if j.outcome(rows, e, doneRow(e, backtestedOutcome(data), position)) {
		rows.Backtests = append(rows.Backtests, store.BacktestRow{Backtest: backtestRow(e, data, j.row.Origin), Packed: packed})
	}
	return ""
}

func (p *Projection) tickerFailed(rows *rows, e *Entry, j *job, data *events.TickerFailed) (reason string) {
	position, listed := j.index[data.Ticker]
	if !listed {
		return notListed
	}
	if reason := checkFailed(data, j); reason != "" {
		return reason
	}
	j.outcome(rows, e, failedRow(e, data, position))
	return ""
}

// outcome records the first outcome of a ticker and ends the job with the
// last one. It reports whether the detail counted.
func (j *job) outcome(rows *rows, e *Entry, detail store.Detail) bool {
	defer j.changed(rows, e)
	switch {
	case j.progress.Status == events.StatusCancelled:
		j.progress.Late++
		return false
	case j.done[detail.Position]:
		j.progress.Duplicates++
		return false
	}
	j.done[detail.Position] = true
	rows.Details = append(rows.Details, detail)
	if detail.Status == store.DetailAnalyzed {
		j.progress.Analyzed++
	} else {
		j.progress.Failed++
	}
	if j.progress.Status == events.StatusQueued {
		j.progress.Status = events.StatusRunning
		j.progress.StartedAt = e.Message.At
	}
	if j.progress.Pending() == 0 {
		j.progress.Status = events.StatusCompleted
		if j.progress.Analyzed == 0 {
			j.progress.Status = events.StatusFailed
		}
		j.progress.CompletedAt = e.Message.At
	}
	return true
}

// changed notes that the event changed the job.
func (j *job) changed(rows *rows, e *Entry) {
	j.progress.LastSeq = e.Message.Seq
	rows.move(j)
}

// setAside records an event that cannot be folded. On the subject of a
// ticker's outcome it takes the ticker's only place there for ever (the guard
// lets no second one in), so the ticker fails by it: else its job would never end.
func (p *Projection) setAside(rows *rows, e *Entry, reason string) {
	rows.Poison = append(rows.Poison, poisonRow(e, reason))
	id, ticker, _, err := events.ParseSubject(e.Message.Subject)
	if err != nil || ticker == "" {
		return
	}
	j := p.jobs[id]
	if j == nil {
		return
	}
	position, listed := j.index[ticker]
	if !listed {
		return
	}
	j.touched = p.batch
	j.outcome(rows, e, store.Detail{
		JobID: id, Ticker: ticker, Position: position, Status: store.DetailFailed, Code: events.FailureInternal,
		Message: legible("the outcome on the tape cannot be read: "+reason, maxTextBytes), Seq: e.Message.Seq,
	})
}

// jobID is the job that the event touches: its own, or that of its subject if
// it cannot be read. Empty if there is none that could exist.
func (e *Entry) jobID() string {
	id := ""
	if e.Err == nil {
		id = e.Event.Data.Job()
	} else if parsed, _, _, err := events.ParseSubject(e.Message.Subject); err == nil {
		id = parsed
	}
	if checkID(id) != "" {
		return ""
	}
	return id
}

func jobOf(state store.State) *job {
	j := &job{
		row: state.Job, progress: state.Progress,
		index: make(map[string]int, len(state.Job.Tickers)), done: make([]bool, len(state.Job.Tickers)),
	}
	j.row.Strategy, j.row.Backtest = nil, nil // not needed to go on, and the largest part
	for position, ticker := range state.Job.Tickers {
		j.index[ticker] = position
	}
	for _, ticker := range state.Outcomes {
		if position, listed := j.index[ticker]; listed {
			j.done[position] = true
		}
	}
	return j
}
