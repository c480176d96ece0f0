package recorder

import (
	"encoding/json"
	"fmt"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

// A partial tells, of rows that differ from the fold of a tape that lost its
// start, which cannot be compared: those of jobs whose JobQueued is gone, the
// days that such a job answers for, and events that were set aside before. All
// others are what events on the tape alone decide, and must be equal. It is
// asked in the order of a dump, jobs first.
type partial struct {
	first   uint64          // of the tape
	jobs    map[string]bool // that began before it and that the fold does not know
	results map[uint64]bool // of those jobs, on the tape
	rows    int             // of the live tables that cannot be compared
}

func newPartial(first uint64) *partial {
	return &partial{first: first, jobs: make(map[string]bool), results: make(map[uint64]bool)}
}

// A marked row is what partial reads of one: the columns that say which job
// and which event it comes from. A table has some of them.
type marked struct {
	ID         string `json:"id"`
	JobID      string `json:"job_id"`
	Seq        uint64 `json:"seq"`
	TradingDay string `json:"trading_day"`
	ResultSeq  uint64 `json:"result_seq"`
	Subject    string `json:"subject"`
}

// excuses reports whether the rows of d, the live one first, cannot be compared.
func (p *partial) excuses(d store.Difference) (bool, error) {
	if p.first <= 1 {
		return false, nil
	}
	var live, folded marked
	for _, side := range []struct {
		row  []byte
		into *marked
	}{{d.A, &live}, {d.B, &folded}} {
		if side.row == nil {
			continue
		}
		if err := json.Unmarshal(side.row, side.into); err != nil {
			return false, fmt.Errorf("reading a row of %s: %w", d.Table, err)
		}
	}
	excused := p.beyond(d, live, folded)
	if excused && d.A != nil {
		p.rows++
	}
	return excused, nil
}

func (p *partial) beyond(d store.Difference, live, folded marked) bool {
	either := live
	if d.A == nil {
		either = folded
	}
	switch d.Table {
	case store.JobsTable().Name:
		if d.B != nil || live.Seq >= p.first {
			return false
		}
		p.jobs[live.ID] = true
		return true
	case store.ResultsTable().Name:
		if p.jobs[either.JobID] && either.Seq >= p.first {
			p.results[either.Seq] = true
		}
		return p.jobs[either.JobID]
	case store.IndicatorsTable().Name:
		return d.B == nil && p.lost(live.Seq)
	case store.DaysTable().Name, store.LatestTable().Name:
		// A newer answer on the tape should have replaced the live one.
		return p.lost(live.ResultSeq) && (d.B == nil || !newer(folded, live))
	case store.PoisonTable().Name:
		id, _, _, err := events.ParseSubject(either.Subject)
		return d.B == nil && live.Seq < p.first || err == nil && p.jobs[id]
	}
	return p.jobs[either.JobID]
}

// lost reports whether the result with this sequence is of a job that cannot
// be folded: its event is gone, or that of the job before it.
func (p *partial) lost(seq uint64) bool { return seq < p.first || p.results[seq] }

// newer reports whether a answers for a day instead of b.
func newer(a, b marked) bool {
	if a.TradingDay != b.TradingDay {
		return a.TradingDay > b.TradingDay
	}
	return a.ResultSeq > b.ResultSeq
}
