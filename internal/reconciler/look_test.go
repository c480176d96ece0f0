package reconciler_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/reconciler"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// behind is a tape that ends at 2, an empty queue, and a database that has
// recorded up to 1, and catches up while it is waited for, if ever: what it has
// by then is that the ticker has an outcome.
type behind struct {
	catchesUp  bool
	asOf       uint64
	dispatched int
}

func (b *behind) State(context.Context) (stream.TapeState, error) {
	return stream.TapeState{First: 1, Last: 2}, nil
}
func (b *behind) PublishBatch(context.Context, []events.Event) error { return nil }
func (b *behind) Taken(_ context.Context, outcomes []events.Data) ([]bool, error) {
	return make([]bool, len(outcomes)), nil
}
func (b *behind) Ensure(context.Context) error { return nil }
func (b *behind) DispatchMissing(_ context.Context, items []stream.Item) (int, error) {
	b.dispatched += len(items)
	return len(items), nil
}
func (b *behind) Unfinished(context.Context, int) (store.Page[store.JobView], error) {
	return store.Page[store.JobView]{Items: []store.JobView{view("j", 1, time.Hour, time.Hour)}, AsOf: b.asOf}, nil
}

// The database and the queue have a method of one name.
type (
	behindsWork    struct{ *behind }
	behindsBacklog struct{ *behind }
)

func (behindsWork) Outstanding(context.Context, string) (map[string]bool, error) { return nil, nil }
func (b behindsBacklog) Outstanding(context.Context, string) (list []string, asOf uint64, err error) {
	if b.asOf < 2 {
		list = []string{"A.NS"}
	}
	return list, b.asOf, nil
}

// TestLooksNoEarlierThanTheRecorder: an item that was finished just now is not
// in the queue any more, and its outcome may stand on the tape only. It is not
// taken for lost: the reconciler waits for the recorder, or does nothing.
func TestLooksNoEarlierThanTheRecorder(t *testing.T) {
	for name, b := range map[string]*behind{"that catches up": {catchesUp: true, asOf: 1}, "that does not": {asOf: 1}} {
		waits := 0
		round := reconciler.New(reconciler.Config{
			Log: slog.New(slog.DiscardHandler), Backlog: behindsBacklog{b}, Tape: b, Work: behindsWork{b},
			Now: func() time.Time { return now },
			Wait: func(context.Context, time.Duration) error {
				if waits++; b.catchesUp && waits == 3 {
					b.asOf = 2
				}
				return nil
			},
		}).Round(t.Context())
		if b.dispatched != 0 || waits < 3 || round.Behind == b.catchesUp || round.Err != nil {
			t.Errorf("a recorder %s: dispatched %d, waited %d times, %+v", name, b.dispatched, waits, round)
		}
	}
}
