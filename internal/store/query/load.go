package query

import (
	"context"
	"errors"
	"fmt"

	"github.com/tapedeck/tapedeck/internal/store"
)

// Load reads the states of those of the jobs that exist: Load of store.Writer.
func (r *Reader) Load(ctx context.Context, jobIDs []string) (states []store.State, err error) {
	err = r.snapshots.Read(ctx, func(tx Tx) error {
		for _, id := range jobIDs {
			state, err := loadState(ctx, tx, id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return fmt.Errorf("loading job %s: %w", id, err)
			}
			states = append(states, state)
		}
		return nil
	})
	return states, err
}

func loadState(ctx context.Context, tx Tx, id string) (state store.State, err error) {
	views, err := all(ctx, tx, selectFrom(wholeJob, jobViews+` WHERE p.job_id = ?`, id), scanWholeJob)
	if err != nil {
		return state, err
	}
	if len(views) == 0 {
		return state, store.ErrNotFound
	}
	state.Job, state.Progress = views[0].Job, views[0].Progress
	state.Outcomes, err = all(ctx, tx, selectFrom(`ticker`, `details WHERE job_id = ?`, id), scalar[string])
	return state, err
}
