package nse_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
)

// Whether newer files are still on their way does not change with those that
// are settled meanwhile.
func TestADoubtfulDayWaitsForNewerOnes(t *testing.T) {
	sessions := nsetest.Weekdays(20, friday)
	cfg := nse.Config{Dir: t.TempDir(), Calendar: weekdays{}, Now: func() time.Time { return evening }, Logger: slog.New(slog.DiscardHandler)}
	// The oldest has a newer file; of the next the server has none, and the newest is under way.
	if left := nse.Decide(cfg, sessions[5:8], sessions[5:7], sessions[5].AddDate(0, 0, 1)); left != 2 {
		t.Errorf("%d days are open, want 2: one is doubtful until the other has come", left)
	}
}

// slowGrant grants a request only after another program has put all files there.
type slowGrant struct {
	free
	put func()
}

func (s *slowGrant) Wait(ctx context.Context, provider string) error {
	s.put()
	return s.free.Wait(ctx, provider)
}

// Programs that share an archive fetch a day once: who waited for a grant looks
// whether the file has come meanwhile.
func TestFilesThatCameBeforeTheGrant(t *testing.T) {
	theirs := t.TempDir()
	nsetest.Archive(t, theirs, nsetest.Config{Symbols: 20, Sessions: nsetest.Weekdays(12, friday)})
	e := nsetest.Serve(t, theirs)
	dir := filepath.Join(t.TempDir(), "archive")
	limiter := &slowGrant{put: sync.OnceFunc(func() {
		for _, name := range files(t, theirs) {
			data, err := os.ReadFile(filepath.Join(theirs, name))
			if err != nil {
				t.Error(err)
			}
			nsetest.Write(t, filepath.Join(dir, name), data)
		}
	})}
	p, _ := downloads(t, e, func(c *nse.Config) { c.Dir, c.History, c.Limiter = dir, 12, limiter })
	done, err := p.Update(t.Context(), nse.Span{}, nil)
	if n := len(e.Requests()); err != nil || done.Fetched != 12 || n != 0 {
		t.Errorf("%d requests, %+v, %v; want none", n, done, err)
	}
}
