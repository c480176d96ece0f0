package reconciler_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/reconciler"
	"github.com/tapedeck/tapedeck/internal/store"
)

// TestDeadlinesWithoutWork loses the work queue, or fills it: jobs past their
// deadline end all the same, and the round says what failed.
func TestDeadlinesWithoutWork(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	lost := errors.New("no work queue")
	open := store.JobView{Job: store.Job{ID: "open", Total: 1, CreatedAt: noon.Add(-time.Hour), Deadline: noon.Add(time.Hour)}}
	late := store.JobView{Job: store.Job{ID: "late", Total: 1, CreatedAt: noon.Add(-time.Hour), Deadline: noon.Add(-time.Minute)}}
	listed := reconciler.Listed{Jobs: []store.JobView{open, late}}
	failLate := []reconciler.Input{
		reconciler.Looked{Outstanding: []string{"A"}, Reached: true},
		reconciler.Done{Count: 1},
	}
	tests := map[string][]reconciler.Input{
		"gone": append([]reconciler.Input{reconciler.Begin{}, reconciler.Ensured{Err: lost}, listed}, failLate...),
		"unanswered": append([]reconciler.Input{reconciler.Begin{}, reconciler.Ensured{}, listed,
			reconciler.Looked{Err: lost}}, failLate...),
		"full": append([]reconciler.Input{reconciler.Begin{}, reconciler.Ensured{}, listed,
			reconciler.Looked{Outstanding: []string{"A"}, Reached: true}, reconciler.Done{Err: lost}}, failLate...),
	}
	for name, inputs := range tests {
		t.Run(name, func(t *testing.T) {
			var core reconciler.Core
			var out reconciler.Output
			failed := 0
			for _, in := range inputs {
				out = core.Step(noon, in)
				if fail, ok := out.(reconciler.Fail); ok {
					failed += len(fail.Events)
				}
			}
			finish, ok := out.(reconciler.Finish)
			if !ok || failed != 1 || !errors.Is(finish.Round.Err, lost) || finish.Round.Expired != 1 {
				t.Errorf("failed %d, ended with %#v", failed, out)
			}
		})
	}
}
