package client_test

import (
	"context"
	"fmt"
	"net/url"

	"github.com/tapedeck/tapedeck/client"
)

// A job is submitted under a key, followed to its end, and its strong buys are listed.
func Example() {
	ctx := context.Background()
	c, err := client.New("http://127.0.0.1:8080")
	if err != nil {
		panic(err)
	}
	job, err := c.Submit(ctx, client.Submission{Universe: "nifty50", Capital: 100_000}, "evening-2026-11-27")
	if err != nil {
		panic(err)
	}
	if err := c.Follow(ctx, job.JobID, func(e client.Event) bool {
		fmt.Println(e.Name, string(e.Data))
		return true
	}); err != nil {
		panic(err)
	}
	buys := url.Values{"verdict": {"Strong Buy"}}
	page := func(ctx context.Context, query url.Values) (client.Page[client.Result], error) {
		return c.Results(ctx, job.JobID, query)
	}
	if err := client.All(ctx, buys, page, func(r client.Result) bool {
		fmt.Println(r.Ticker, r.Score, r.Plan.Entry, r.Plan.Stop, r.Plan.Target)
		return true
	}); err != nil {
		panic(err)
	}
}
