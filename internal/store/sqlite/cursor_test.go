package sqlite_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/memory"
	"github.com/tapedeck/tapedeck/internal/store/sqlite"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

// FuzzCursor: whatever comes as the place to go on from, as it is or as the
// text that a cursor encodes, is store.ErrCursor or a page, in the database as
// in the model of it in memory, whose pages are the same.
func FuzzCursor(f *testing.F) {
	ctx := context.Background()
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	real, model := sqlite.OpenWriter(filepath.Join(f.TempDir(), "x.db")), memory.New(func() time.Time { return at }).OpenWriter()
	f.Cleanup(func() { _ = real.Close() })
	var readers []store.Reading
	for _, w := range []store.Recording{real, model} {
		if err := w.Migrate(ctx, func(string) {}); err != nil {
			f.Fatal(err)
		}
		lease, err := w.Acquire(ctx, "x", time.Hour)
		if err != nil {
			f.Fatal(err)
		}
		changes, next := storetest.Batch(storetest.Tape(1, 6, 6))
		if err := w.Commit(ctx, lease, next, changes); err != nil {
			f.Fatal(err)
		}
		readers = append(readers, w.Reading())
	}
	changes, _ := storetest.Batch(storetest.Tape(1, 6, 6))
	lists, models := listsOf(readers[0], changes), listsOf(readers[1], changes)
	for i, list := range lists {
		if _, next, err := list(""); err != nil {
			f.Fatal(i, err)
		} else {
			f.Add(i, string(next), false)
			text, _ := base64.RawURLEncoding.DecodeString(string(next))
			f.Add(i, string(text), true)
			f.Add(i+1, string(text), true)
		}
	}
	for _, text := range []string{`{"v":1,"q":"jobs","n":[9223372036854775807],"s":["\u0000"]}`, `{"v":1,"q":"results","n":[-1],"f":[1e308]}`, `null`, `{}`} {
		for i := range lists {
			f.Add(i, text, true)
		}
	}
	f.Fuzz(func(t *testing.T, which int, text string, encode bool) {
		if encode {
			text = base64.RawURLEncoding.EncodeToString([]byte(text))
		}
		which = int(uint(which) % uint(len(lists)))
		one, oneNext, err1 := lists[which](store.Cursor(text))
		two, twoNext, err2 := models[which](store.Cursor(text))
		for _, err := range []error{err1, err2} {
			if err != nil && !errors.Is(err, store.ErrCursor) {
				t.Fatalf("list %d from %q: %v", which, text, err)
			}
		}
		if (err1 == nil) != (err2 == nil) || err1 == nil && (one != two || oneNext != twoNext) {
			t.Fatalf("list %d from %q: %s %q %v, in memory %s %q %v", which, text, one, oneNext, err1, two, twoNext, err2)
		}
	})
}

// A list gives the page of two rows behind a cursor, as text, and the next cursor.
type list func(after store.Cursor) (rows string, next store.Cursor, err error)

// listsOf are the lists of a database in which some changes stand.
func listsOf(r store.Reading, changes store.Changes) []list {
	ctx, job, result := context.Background(), changes.Results[0].JobID, changes.Results[0]
	return []list{
		func(after store.Cursor) (string, store.Cursor, error) {
			return page(r.Jobs(ctx, store.JobsQuery{After: after, Limit: 2}))
		},
		func(after store.Cursor) (string, store.Cursor, error) {
			return page(r.Details(ctx, store.DetailsQuery{JobID: job, After: after, Limit: 2}))
		},
		func(after store.Cursor) (string, store.Cursor, error) {
			return page(r.Details(ctx, store.DetailsQuery{JobID: job, BySeq: true, After: after, Limit: 2}))
		},
		func(after store.Cursor) (string, store.Cursor, error) {
			return page(r.Results(ctx, store.ResultsQuery{JobID: job, After: after, Limit: 2}))
		},
		func(after store.Cursor) (string, store.Cursor, error) {
			return page(r.Screen(ctx, store.ScreenQuery{Class: store.ClassReal, MaxAgeDays: 100, After: after, Limit: 2}))
		},
		func(after store.Cursor) (string, store.Cursor, error) {
			return page(r.History(ctx, store.HistoryQuery{Ticker: result.Ticker, After: after, Limit: 2}))
		},
		func(after store.Cursor) (string, store.Cursor, error) {
			return page(r.History(ctx, store.HistoryQuery{Ticker: result.Ticker, Daily: true, After: after, Limit: 2}))
		},
	}
}

func page[T any](p store.Page[T], err error) (string, store.Cursor, error) {
	if err != nil {
		return "", "", err
	}
	text, err := json.Marshal(p.Items)
	return string(text), p.Next, err
}
