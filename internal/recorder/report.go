package recorder

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

const (
	// reportEvery is how often the progress of a slow job is logged.
	reportEvery = 5 * time.Second
	// reportTenths: a fast job is logged at each tenth.
	reportTenths = 10
	// maxReported bounds the jobs whose last line is remembered; a forgotten
	// one is logged once more than needed.
	maxReported = 10_000
)

// A reporter logs how the jobs come on, from committed rows. Owned by Run.
type reporter struct {
	log  *slog.Logger
	last map[string]reported
}

type reported struct {
	at     time.Time
	status events.Status
	tenth  int
}

func newReporter(log *slog.Logger) *reporter {
	return &reporter{log: log, last: make(map[string]reported)}
}

func (r *reporter) report(now time.Time, rows []store.Progress) {
	for i := range rows {
		r.one(now, &rows[i])
	}
}

func (r *reporter) one(now time.Time, p *store.Progress) {
	last, known := r.last[p.JobID]
	done := p.Total - p.Pending()
	this := reported{at: now, status: p.Status, tenth: done * reportTenths / p.Total}
	switch {
	case p.Status.Ended() && (p.AnnouncedSeq > 0 || known && last.status.Ended()):
		delete(r.last, p.JobID)
		return
	case p.Status.Ended():
		r.log.Info("job "+string(p.Status), "job_id", p.JobID, "seq", p.LastSeq, "total", p.Total, "analyzed", p.Analyzed,
			"failed", p.Failed, "cancelled", p.Cancelled, "elapsed", elapsed(p))
	case !known && p.Status == events.StatusQueued:
		r.log.Info("job queued", "job_id", p.JobID, "seq", p.LastSeq, "total", p.Total)
	case p.Status != last.status && done == 0:
		r.log.Info("job running", "job_id", p.JobID, "seq", p.LastSeq, "total", p.Total)
	case p.Status != last.status || this.tenth > last.tenth || now.Sub(last.at) >= reportEvery:
		r.log.Info(fmt.Sprintf("job running: %d/%d (%d %%)", done, p.Total, done*100/p.Total), "job_id", p.JobID, "seq", p.LastSeq)
	default:
		return
	}
	if len(r.last) >= maxReported {
		clear(r.last)
	}
	r.last[p.JobID] = this
}

// elapsed is from the first sign of work to the end, by the tape's clock.
func elapsed(p *store.Progress) time.Duration {
	if p.StartedAt.IsZero() {
		return 0
	}
	return p.CompletedAt.Sub(p.StartedAt)
}
