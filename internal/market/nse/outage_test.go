package nse_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tapedeck/tapedeck/internal/market/limit"
	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
)

// A server that fails in the midst of an update is waited for, a few minutes
// long, and what that leaves is said once and not of each day.
func TestUpdateWaitsForTheServer(t *testing.T) {
	const sessions = 60
	until := time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC) // the bubble's clock begins a day later
	theirs := t.TempDir()
	nsetest.Archive(t, theirs, nsetest.Config{Symbols: 12, Sessions: nsetest.Weekdays(sessions, until)})
	for _, test := range []struct {
		name           string
		down, up, left time.Duration // when the server fails and is back, and when the caller leaves; 0: never
		failed         bool
		most           time.Duration
	}{
		{"a short outage", 20 * time.Second, 30 * time.Second, 0, false, 3 * time.Minute},
		{"three minutes", 20 * time.Second, 200 * time.Second, 0, false, 6 * time.Minute},
		{"for good", 20 * time.Second, time.Hour, 0, true, 5 * time.Minute},
		{"from the start", 0, time.Hour, 0, true, 5 * time.Minute},
		{"left meanwhile", 20 * time.Second, time.Hour, time.Minute, true, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "archive")
			synctest.Test(t, func(t *testing.T) {
				limiter, err := limit.New(limit.Config{Rate: 1})
				if err != nil {
					t.Fatal(err)
				}
				var logged bytes.Buffer
				refuse := func(since time.Duration) (int, string) {
					if since >= test.down && since < test.up {
						return http.StatusServiceUnavailable, ""
					}
					return 0, ""
				}
				p, err := nse.New(nse.Config{
					Dir: dir, Download: true, Limiter: limiter, MinRows: 10, BaseURL: "http://exchange", History: sessions,
					HTTP:   &http.Client{Transport: &slow{dir: theirs, took: 400 * time.Millisecond, began: time.Now(), refuse: refuse}},
					Logger: slog.New(slog.NewTextHandler(&logged, nil)),
				})
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				ctx := t.Context()
				if test.left > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.left)
					defer cancel()
				}
				began := time.Now()
				var last nse.Filling
				done, err := p.Update(ctx, nse.Span{}, func(f nse.Filling) { last = f })
				took := time.Since(began)
				if done != last || took > test.most || (err != nil) != test.failed {
					t.Errorf("after %s: %+v, last shown %+v, %v", took, done, last, err)
				}
				switch {
				case test.left > 0:
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%v", err)
					}
					return
				case !test.failed && (done.Fetched != sessions || done.Failed != 0):
					t.Errorf("%+v", done)
				case test.failed && (done.Done() != sessions || !strings.Contains(err.Error(), "days remain after 3 rests of 1m") || !strings.Contains(err.Error(), "the exchange's server answered")):
					t.Errorf("%+v, %v", done, err)
				}
				if lines, said := strings.Count(logged.String(), "\n"), strings.Count(logged.String(), "days remain"); said != 1 || lines > 9 {
					t.Errorf("%d lines, %d of the outage\n%s", lines, said, logged.String())
				}
			})
		})
	}
}
