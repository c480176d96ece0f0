package nse_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
)

// forgetful is an exchange that has no file of one session for a while, the
// programs of an hour before it, and what they log.
type forgetful struct {
	*nsetest.Exchange
	day   time.Time
	tries atomic.Int64 // how often it denies the file
	clock atomic.Int64 // unix seconds
	dir   string
	log   bytes.Buffer
}

// stopped is a calendar that ends on friday.
type stopped struct{ weekdays }

func (stopped) LastClosed(time.Time) time.Time { return friday }

func newForgetful(t *testing.T, denials int64, edit func(i int, rows []nsetest.Row) []nsetest.Row) *forgetful {
	sessions := nsetest.Weekdays(30, friday)
	f := &forgetful{day: sessions[20], dir: filepath.Join(t.TempDir(), "archive")}
	f.tries.Store(denials)
	f.clock.Store(evening.Unix())
	file := nse.FileName(f.day)
	f.Exchange = exchange(t, nsetest.Config{Symbols: 20, Sessions: sessions, Edit: edit}, func(_ int, name string, _ int) nsetest.Answer {
		if name == file && f.tries.Add(-1) >= 0 {
			return nsetest.Missing
		}
		return nsetest.Good
	})
	return f
}

// update opens the archive anew and updates it, d after the last time.
func (f *forgetful) update(t *testing.T, d time.Duration) (*nse.Provider, nse.Filling) {
	t.Helper()
	f.clock.Add(int64(d / time.Second))
	p, _ := downloads(t, f.Exchange, func(c *nse.Config) {
		c.Dir, c.History, c.Calendar, c.Now = f.dir, 25, stopped{}, func() time.Time { return time.Unix(f.clock.Load(), 0) }
		c.Logger = slog.New(slog.NewTextHandler(&f.log, nil))
	})
	done, err := p.Update(t.Context(), nse.Span{Since: f.day.AddDate(0, 0, -7)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p, done
}

func (f *forgetful) note() string { return "no-session-" + f.day.Format(time.DateOnly) + ".txt" }

// still is the market whose previous closes do not speak of a missing session.
func still(_ int, rows []nsetest.Row) []nsetest.Row {
	for i := range rows {
		price := 100 + float64(i)
		rows[i].Open, rows[i].Close, rows[i].Prev, rows[i].High, rows[i].Low = price, price, price, price+1, price-1
	}
	return rows
}

// One answer that there is no file of a session is not believed: it is asked for
// again after an hour, a day and a week. Then it is.
func TestOneMissingFileIsNotFinal(t *testing.T) {
	f := newForgetful(t, 99, still)
	for i, step := range []struct {
		wait  time.Duration
		asked int
		again int
	}{
		{0, 1, 1}, {59 * time.Minute, 1, 1}, {time.Minute, 2, 1}, {23 * time.Hour, 2, 1}, {time.Hour, 3, 1},
		{6 * 24 * time.Hour, 3, 1}, {24 * time.Hour, 4, 0}, {30 * 24 * time.Hour, 4, 0},
	} {
		p, done := f.update(t, step.wait)
		p.Close()
		if n := f.Count(http.StatusNotFound); n != step.asked || done.Missing != 1 || done.Again != step.again {
			t.Errorf("step %d: asked %d times, %+v; want %+v", i, n, done, step)
		}
	}
	for _, told := range []string{"it is asked for again\" date=2024-07-01 asked=1 after=2024-07-12T21:00:00Z", "taken for a day without one\" date=2024-07-01 asked=4"} {
		if !strings.Contains(f.log.String(), told) {
			t.Errorf("not logged: %s\n%s", told, f.log.String())
		}
	}
	// Until somebody deletes the note.
	if err := os.Remove(filepath.Join(f.dir, f.note())); err != nil {
		t.Fatal(err)
	}
	f.tries.Store(0)
	if _, done := f.update(t, 0); done.Fetched != 1 || done.Again != 0 {
		t.Errorf("%+v", done)
	}
}

// A file that comes after all is taken, by requests as well, and its note goes.
func TestAMissingFileThatComes(t *testing.T) {
	f := newForgetful(t, 1, still)
	f.update(t, 0)
	nsetest.Write(t, filepath.Join(f.dir, f.note()), []byte("the exchange had no file of this date on 2024-07-12; delete this to ask again\n")) // as it was written once
	p, done := f.update(t, 0)
	if done.Fetched != 1 || done.Missing != 0 || slices.Contains(files(t, f.dir), f.note()) {
		t.Errorf("%+v, %q", done, files(t, f.dir))
	}
	if series, err := p.Daily(t.Context(), "SYNTH00000.NS", 15); err != nil || !series.Bars[5].Date.Equal(f.day) {
		t.Errorf("%v", err)
	}
	f = newForgetful(t, 1, still)
	p, _ = f.update(t, 0)
	f.clock.Add(3601)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) { // poll: a request does not wait for it
		series, err := p.Daily(t.Context(), "SYNTH00000.NS", 15)
		if err == nil && series.Bars[5].Date.Equal(f.day) {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the day does not come: %v", err)
		}
	}
}

// Where the previous closes show that a session is missing, no answer is final.
func TestPreviousClosesSpeakOfAMissingFile(t *testing.T) {
	f := newForgetful(t, math.MaxInt32, nil)
	asked := 1
	for i, wait := range []time.Duration{0, 14 * time.Minute, time.Minute, 29 * time.Minute, time.Minute, time.Hour, 24 * time.Hour, 24 * time.Hour, 24 * time.Hour, 24 * time.Hour, 24 * time.Hour, time.Hour} {
		p, done := f.update(t, wait)
		if i == 2 || i >= 4 && i < 11 {
			asked++
		}
		if n := f.Count(http.StatusNotFound); n != asked || done.Missing != 1 {
			t.Errorf("step %d: asked %d times, want %d; %+v", i, n, asked, done)
		}
		series, err := p.Daily(t.Context(), "SYNTH00000.NS", 15)
		want := fmt.Sprintf("no file for 1 sessions, the first after %s", f.day.AddDate(0, 0, -3).Format(time.DateOnly)) // a Monday
		if err != nil || !slices.Contains(series.Warnings, want) {
			t.Errorf("step %d: %v, %q", i, err, series.Warnings)
		}
		p.Close()
	}
	f.tries.Store(0)
	if _, done := f.update(t, 24*time.Hour); done.Fetched != 1 {
		t.Errorf("%+v", done)
	}
}

// A weekday without a file may be a holiday that the calendar does not know: it is
// noted, and not asked for by each ticker.
func TestHolidaysAreAskedOnce(t *testing.T) {
	sessions := nsetest.Weekdays(30, friday)
	holiday := sessions[20]
	e := exchange(t, nsetest.Config{Symbols: 20, Sessions: slices.Delete(slices.Clone(sessions), 20, 21)})
	var dir string
	for range 2 {
		p, cfg := downloads(t, e, func(c *nse.Config) {
			if dir != "" {
				c.Dir = dir
			}
		})
		dir = cfg.Dir
		series, err := p.Daily(t.Context(), "SYNTH00000.NS", 15)
		if err != nil || len(series.Bars) != 15 || series.Warnings != nil {
			t.Fatalf("%d bars, %q, %v", len(series.Bars), series.Warnings, err)
		}
		if n := e.Count(http.StatusNotFound); n != 1 || len(e.Requests()) != 25 {
			t.Errorf("%d of %d requests met no file", n, len(e.Requests()))
		}
	}
	if names := files(t, dir); !slices.Contains(names, "no-session-"+holiday.Format(time.DateOnly)+".txt") {
		t.Errorf("no note of the holiday: %q", names)
	}
}

// A Friday without a session that the calendar does not know is no failure on
// Monday, when there is no newer file yet: bars end before it, with a warning.
func TestAnUnknownHolidayBeforeAWeekend(t *testing.T) {
	e := exchange(t, nsetest.Config{Symbols: 20, Sessions: nsetest.Weekdays(20, friday.AddDate(0, 0, -1))})
	for _, late := range []time.Duration{20 * time.Hour, 73 * time.Hour, 80 * time.Hour, 7*24*time.Hour + 20*time.Hour - 48*time.Hour} {
		p, cfg := downloads(t, e, func(c *nse.Config) { c.Now = func() time.Time { return friday.Add(late) } })
		series, err := p.Daily(t.Context(), "SYNTH00000.NS", 5)
		if err != nil || len(series.Bars) != 5 || len(series.Warnings) != 1 || !strings.Contains(series.Warnings[0], "sessions after 2024-07-11") {
			t.Errorf("%s later: %d bars, %q, %v", late, len(series.Bars), series.Warnings, err)
		}
		if _, err := p.Tickers(t.Context()); err != nil {
			t.Errorf("%s later: %v", late, err)
		}
		if names := files(t, cfg.Dir); slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "no-session") }) {
			t.Errorf("%s later, noted without a newer file: %q", late, names)
		}
	}
}

// What somebody wrote by hand is believed.
func TestANoteByHand(t *testing.T) {
	f := newForgetful(t, 0, still)
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "closed", "on 2024-99-99; asked"} {
		nsetest.Write(t, filepath.Join(f.dir, f.note()), []byte(text))
		if _, done := f.update(t, 24*time.Hour); done.Missing != 1 || done.Again != 0 {
			t.Errorf("%q: %+v", text, done)
		}
	}
}
