package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// TestRetry tries only the failed tickers of a job again, as a new job that
// names its parent.
func TestRetry(t *testing.T) {
	market := t.TempDir()
	writeBars(t, market, "GOOD.NS", 120)
	writeBars(t, market, "YOUNG.NS", 20)
	d := startUp(t, "csv:"+market)
	_, errOut := d.use(3, "analyze", "GOOD.NS", "YOUNG.NS", "LATE.NS", "NOSUCH.NS", "--progress", "plain")
	for _, want := range []string{"3 of 4 tickers failed", "short_history", "unknown_ticker"} {
		if !strings.Contains(errOut, want) {
			t.Errorf("analyze does not say %q:\n%s", want, errOut)
		}
	}
	jobs, err := d.client.Jobs(t.Context(), nil)
	if err != nil || len(jobs.Items) != 1 {
		t.Fatalf("%d jobs, %v", len(jobs.Items), err)
	}
	parent := jobs.Items[0]
	writeBars(t, market, "YOUNG.NS", 60)
	writeBars(t, market, "LATE.NS", 120)
	out, _ := d.use(0, "retry", parent.JobID, "--detach")
	id := strings.TrimSpace(out)
	job := d.ended(id, time.Minute)
	if job.ParentJobID != parent.JobID || job.Status != events.StatusCompleted || job.Total != 3 || job.Analyzed != 2 || job.Failed != 1 {
		t.Errorf("the retry ended as %+v", job)
	}
	codes := map[string]events.FailureCode{}
	for ticker, detail := range d.details(id, "") {
		codes[ticker] = detail.Code
	}
	want := map[string]events.FailureCode{"YOUNG.NS": "", "LATE.NS": "", "NOSUCH.NS": events.FailureUnknownTicker}
	if diff := cmp.Diff(want, codes); diff != "" {
		t.Errorf("the retry's tickers (-want +got):\n%s", diff)
	}
	if again, err := d.job(parent.JobID); err != nil || again.Analyzed != 1 || again.Failed != 3 {
		t.Errorf("the parent is now %+v, %v", again, err)
	}
	d.verified()
}

// TestCancel cancels a job in its middle from the command line: it ends at
// once and for ever, whatever is analysed late.
func TestCancel(t *testing.T) {
	long(t)
	t.Parallel()
	d := startUp(t, "synthetic", slow...)
	tickers := synthetic("CNCL", 5000)
	id := d.submit(client.Submission{Tickers: tickers}).JobID
	d.recorded(id, 100)
	d.use(0, "cancel", id)
	job := d.ended(id, 10*time.Second)
	if job.Status != events.StatusCancelled || job.Analyzed == 0 || job.Cancelled == 0 || job.Pending != 0 ||
		job.Analyzed+job.Failed+job.Cancelled != job.Total {
		t.Errorf("the cancelled job is %+v", job)
	}
	if _, errOut := d.use(3, "watch", id); !strings.Contains(errOut, "cancelled") {
		t.Errorf("watching it says %q", errOut)
	}
	next := d.completed(d.submit(client.Submission{Tickers: synthetic("NEXT", 50)}).JobID, time.Minute)
	after, err := d.job(id)
	if err != nil || after.AsOfSeq < next.AsOfSeq || after.Analyzed != job.Analyzed || after.Cancelled != job.Cancelled {
		t.Errorf("the cancelled job was %+v and is %+v, %v", job, after, err)
	}
	if n := len(d.results(id)); n != job.Analyzed {
		t.Errorf("%d results, %d analysed", n, job.Analyzed)
	}
	d.verified()
}

// TestDeadline lets the deadline of a job pass with no analyzer: it ends with
// failures that say so, and not before. The api would refuse the deadline on a
// machine that is slow for longer than that; so the job comes onto the tape
// from here, as the api made another.
func TestDeadline(t *testing.T) {
	long(t)
	t.Parallel()
	r := onSQLite(t)
	r.migrate()
	r.recorder("recorder", r.owner, "--reconcile-every", "1s")
	r.api()
	later := r.submit(client.Submission{Tickers: synthetic("LATER", 20)}).JobID
	job, tickers := *r.queued(later), synthetic("DEAD", 300)
	id := uuid.NewString()
	job.JobID, job.Tickers = id, tickers
	job.Deadline = time.Now().Add(5 * time.Second).Truncate(time.Millisecond)
	if _, err := stream.NewTape(r.nats.JetStream(streamtest.Admin), nil).Publish(t.Context(), events.New("test", time.Now(), &job)); err != nil {
		t.Fatal(err)
	}
	end := r.ended(id, time.Minute)
	if end.Status != events.StatusFailed || end.Failed != len(tickers) || end.CompletedAt.Before(job.Deadline) {
		t.Errorf("the job ended as %+v, its deadline was %v", end, job.Deadline)
	}
	for ticker, detail := range r.details(id, "") {
		if detail.Code != events.FailureDeadline || detail.CompletedAt.Before(job.Deadline) {
			t.Fatalf("%s failed as %+v", ticker, detail)
		}
	}
	t.Logf("ended %v after its deadline", end.CompletedAt.Sub(job.Deadline))
	r.oneOutcomeEach(id, tickers)

	// An analyzer that comes afterwards finds the work and changes nothing.
	r.analyzer("analyzer")
	r.completed(later, time.Minute)
	r.noWork()
	r.oneOutcomeEach(id, tickers)
	r.verified()
}
