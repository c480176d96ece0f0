package postgres_test

import (
	"context"
	"sync"
	"testing"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/postgres"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

// TestSwapInTheMiddleOfARead swaps a shadow in that is filled after a dump has
// begun: the dump must not see the new tables, as its snapshot is older than
// their rows. The swap waits for it instead.
func TestSwapInTheMiddleOfARead(t *testing.T) {
	url, options := database(t)
	steps := storetest.Tape(6, 3, 5)
	w := recording(t, options)
	lease := commit(t, w, acquire(t, w, "first"), steps)
	want := hash(t, w.Reading())

	r, watch := reading(t, options), behind(t, url)
	swapped := make(chan error, 1)
	var once sync.Once
	got := hash(t, emitting{r, func() {
		once.Do(func() {
			shadow, err := w.Shadow(t.Context())
			must(t, err)
			commit(t, shadow, acquire(t, shadow, "filler"), steps)
			go func() { swapped <- shadow.Swap(t.Context(), lease) }()
			waits := waiting(t, watch)
			eventually(t, "the swap waits, or is done", func() bool { return waits() || len(swapped) > 0 })
		})
	}})
	if got != want {
		t.Error("a swap changed what a dump read that had begun before it")
	}
	must(t, <-swapped)
	if hash(t, r) != want {
		t.Error("the rows after the swap are not those before it")
	}
}

// TestReadBehindASwapIsNewer makes a read wait for a swap, and the last rows
// of the shadow younger than the read: its snapshot must be younger still, or
// it would find the new tables by their name and see them half filled.
func TestReadBehindASwapIsNewer(t *testing.T) {
	url, options := database(t)
	steps := storetest.Tape(9, 3, 5)
	w := recording(t, options)
	commit(t, w, acquire(t, w, "first"), steps)
	want := hash(t, w.Reading())
	shadow, err := w.Shadow(t.Context())
	must(t, err)
	filler := commit(t, shadow, acquire(t, shadow, "filler"), steps[:3])

	swapper := behind(t, url)
	exec(t, swapper, `BEGIN`)
	exec(t, swapper, `LOCK TABLE checkpoint IN ACCESS EXCLUSIVE MODE`)
	r := reading(t, options)
	read := make(chan string, 1)
	go func() {
		sum, _, _, err := store.HashDump(t.Context(), r)
		if err != nil {
			t.Error(err)
		}
		read <- sum
	}()
	eventually(t, "the read waits for the swap", waiting(t, behind(t, url)))
	commit(t, shadow, filler, steps[3:])
	exec(t, swapper, `ALTER SCHEMA tapedeck RENAME TO tapedeck_old`)
	exec(t, swapper, `ALTER SCHEMA tapedeck_shadow RENAME TO tapedeck`)
	exec(t, swapper, `COMMIT`)
	if got := <-read; got != want {
		t.Error("a read that waited for a swap saw neither the old rows nor the new ones")
	}
}

// TestReadsBehindASwapGoOn: while a swap waits for somebody's long read, other
// reads wait a moment and go on.
func TestReadsBehindASwapGoOn(t *testing.T) {
	url, options := database(t)
	steps := storetest.Tape(7, 3, 5)
	w := recording(t, options)
	lease := commit(t, w, acquire(t, w, "first"), steps)
	shadow, err := w.Shadow(t.Context())
	must(t, err)
	commit(t, shadow, acquire(t, shadow, "filler"), steps)

	slow := behind(t, url) // somebody's long read
	exec(t, slow, `BEGIN`)
	exec(t, slow, `SELECT * FROM checkpoint`)
	swapped := make(chan error, 1)
	go func() { swapped <- shadow.Swap(t.Context(), lease) }()
	eventually(t, "the swap waits", waiting(t, behind(t, url)))
	r := reading(t, options)
	for range 3 {
		if _, err := r.Position(t.Context()); err != nil {
			t.Errorf("a read while a swap waits for a slow one: %v", err)
		}
	}
	exec(t, slow, `COMMIT`)
	must(t, <-swapped)
}

// TestNothingIsLeft: a swap and a discard leave no schema behind.
func TestNothingIsLeft(t *testing.T) {
	url, options := database(t)
	w := recording(t, options)
	lease := acquire(t, w, "first")
	shadow, err := w.Shadow(t.Context())
	must(t, err)
	must(t, shadow.Swap(t.Context(), lease))
	must(t, shadow.Discard(t.Context()))
	other, err := w.Shadow(t.Context())
	must(t, err)
	must(t, other.Discard(t.Context()))
	must(t, w.Renew(t.Context(), lease))
	got := query[string](t, behind(t, url), `SELECT string_agg(nspname, ' ') FROM pg_namespace WHERE nspname LIKE 'tapedeck%'`)
	if got != postgres.Schema {
		t.Errorf("schemas: %s", got)
	}
}

// TestRecoveriesOutliveRebuilds: what was given up is not on the tape, so a
// rebuild must carry it over; and each loss keeps its own copy of the tables.
func TestRecoveriesOutliveRebuilds(t *testing.T) {
	url, options := database(t)
	steps := storetest.Tape(8, 3, 5)
	w := recording(t, options)
	lease := commit(t, w, acquire(t, w, "first"), steps)
	conn := behind(t, url)
	details := query[int](t, conn, `SELECT count(*) FROM details`)

	fresh := store.Position{Stream: "TAPE", Created: storetest.StreamCreated(), Seq: 0}
	saved, err := w.AcceptLoss(t.Context(), lease, fresh, "the disk broke")
	must(t, err)
	lease.Position = fresh
	shadow, err := w.Shadow(t.Context())
	must(t, err)
	filler := acquire(t, shadow, "filler")
	must(t, shadow.Commit(t.Context(), filler, fresh, store.Changes{}))
	must(t, shadow.Swap(t.Context(), lease))

	if got := query[int](t, conn, `SELECT count(*) FROM recoveries WHERE reason = 'the disk broke' AND saved = $1`, saved); got != 1 {
		t.Errorf("%d recoveries after the rebuild, want 1", got)
	}
	if got := query[int](t, conn, `SELECT count(*) FROM `+saved+`.details`); got != details {
		t.Errorf("%d details were saved, want %d", got, details)
	}
	if got := query[int](t, conn, `SELECT count(*) FROM details`); got != 0 {
		t.Errorf("%d details after a rebuild from an empty tape", got)
	}
}

// TestMigratorsAtOnce: each of them succeeds, and the steps are made once.
func TestMigratorsAtOnce(t *testing.T) {
	_, options := database(t)
	var wg sync.WaitGroup
	var mu sync.Mutex // guards said
	said := 0
	for range 4 {
		w, err := postgres.OpenRecording(options)
		must(t, err)
		t.Cleanup(func() { w.Close() })
		wg.Go(func() {
			err := w.Migrate(t.Context(), func(string) { mu.Lock(); said++; mu.Unlock() })
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	standing, err := reading(t, options).Standing(t.Context())
	must(t, err)
	if said != standing.SchemaVersion {
		t.Errorf("%d steps were said, the schema is %d", said, standing.SchemaVersion)
	}
}

// emitting is a dump with something done at its first row.
type emitting struct {
	store.Dumper
	first func()
}

// Dump implements store.Dumper.
func (e emitting) Dump(ctx context.Context, emit func(table, key string, row []byte) error) (store.Position, error) {
	return e.Dumper.Dump(ctx, func(table, key string, row []byte) error {
		e.first()
		return emit(table, key, row)
	})
}
