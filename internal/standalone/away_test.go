package standalone_test

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/markettest"
	"github.com/tapedeck/tapedeck/internal/market/synthetic"
	"github.com/tapedeck/tapedeck/internal/standalone"
)

// TestProviderAway submits three jobs while the provider is away: to one of them
// it hangs and comes back, to one it answers errors and comes back, to the last
// it does not come back. The first two complete; the last fails, every ticker
// with the reason and after all attempts, and nothing of it counts as a result.
func TestProviderAway(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the attempts of an analyzer: left out under -short")
	}
	t.Parallel()
	invented, err := synthetic.New(synthetic.Config{})
	if err != nil {
		t.Fatal(err)
	}
	names := func(prefix string) (list []string) {
		for _, letter := range "ABCDEFGHIJKLMNOPQRST" {
			list = append(list, prefix+string(letter)+".NS")
		}
		return list
	}
	const attempts = 5
	back := make(chan struct{})
	var plan []markettest.Fault
	for _, ticker := range names("HANGS") {
		plan = append(plan, markettest.Fault{Ticker: ticker, Do: markettest.Until(back)})
	}
	for _, ticker := range names("ERRS") {
		plan = append(plan, markettest.Fault{Ticker: ticker, Last: 2, Do: markettest.Fail(market.CodeUnavailable)})
	}
	for _, ticker := range names("GONE") {
		plan = append(plan, markettest.Fault{Ticker: ticker, Do: markettest.Fail(market.CodeUnavailable)})
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	deck, err := standalone.Open(t.Context(), standalone.Config{
		Log: slog.New(slog.DiscardHandler), DataDir: t.TempDir(), Listener: listener, Provider: markettest.Faulty(invented, plan...), Slots: 64,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, stop := runDeck(t, deck, listener)
	defer stop()

	began := time.Now()
	ids := map[string]string{}
	for _, prefix := range []string{"HANGS", "ERRS", "GONE"} {
		accepted, err := c.Submit(t.Context(), client.Submission{Tickers: names(prefix)}, "")
		if err != nil {
			t.Fatal(err)
		}
		ids[prefix] = accepted.JobID
	}
	gone := awaited(t, c, ids["GONE"])
	if gone.Status != events.StatusFailed || gone.Analyzed != 0 || gone.Failed != gone.Total {
		t.Errorf("without a provider the job reads %+v", gone)
	}
	if hangs, err := c.Job(t.Context(), ids["HANGS"]); err != nil || hangs.Status.Ended() || hangs.Analyzed != 0 {
		t.Errorf("while the provider hangs the job reads %+v, %v", hangs, err)
	}
	close(back)
	for _, prefix := range []string{"HANGS", "ERRS"} {
		if job := awaited(t, c, ids[prefix]); job.Status != events.StatusCompleted || job.Analyzed != job.Total {
			t.Errorf("after the provider is back the job of %s reads %+v", prefix, job)
		}
	}
	tried := map[string]int{"HANGS": 1, "ERRS": 3, "GONE": attempts}
	for prefix, id := range ids {
		err := client.All(t.Context(), url.Values{}, func(ctx context.Context, query url.Values) (client.Page[client.Detail], error) {
			return c.Details(ctx, id, query)
		}, func(d client.Detail) bool {
			if failed := d.Code == events.FailureProviderUnavailable && d.ErrorMessage != ""; failed != (prefix == "GONE") || d.Attempts != tried[prefix] {
				t.Errorf("%+v", d)
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if page, err := c.Results(t.Context(), ids["GONE"], url.Values{}); err != nil || len(page.Items) != 0 {
		t.Errorf("a job without a provider has %d results, %v", len(page.Items), err)
	}
	t.Logf("the job without a provider failed after %v", time.Since(began).Round(100*time.Millisecond))
}

// awaited is a job when it has ended.
func awaited(t *testing.T, c *client.Client, id string) client.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Follow(ctx, id, func(client.Event) bool { return true }); err != nil {
		t.Fatalf("following job %s: %v", id, err)
	}
	job, err := c.Job(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return job
}
