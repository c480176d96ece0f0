package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// An Intake puts jobs and cancels on the tape, and says what became of them:
// what it returns without an error is durable there. It is the part of a
// submission behind HTTP, without goroutines.
type Intake struct {
	Tape interface {
		Publish(ctx context.Context, event events.Event) (seq uint64, err error)
		JobEvent(ctx context.Context, jobID, what string) (events.Recorded, error)
	}
	Clock func() time.Time
	Log   *slog.Logger
}

// Accepted is a job on the tape.
type Accepted struct {
	Job      *events.JobQueued
	Seq      uint64
	Replayed bool   // an earlier request put it there
	warning  string // for people: its universe's list is older than it should be
}

func (s *Server) intake() Intake {
	return Intake{Tape: s.config.Tape, Clock: s.config.Clock, Log: s.log}
}

// Submit puts a job on the tape, or finds it there. keyed: its id follows from
// an Idempotency-Key. A *Problem says what the client is told: 422 if the key
// stands for another request, 409 if it stands for events without a request, 503
// if nobody knows whether the job is accepted.
func (i Intake) Submit(ctx context.Context, job *events.JobQueued, keyed bool) (Accepted, error) {
	seq, err := i.Tape.Publish(ctx, events.New(source, i.Clock(), job))
	switch {
	case err == nil:
		i.Log.Info("job queued", "job_id", job.JobID, "total", len(job.Tickers), "seq", seq, "origin", job.Origin)
		return Accepted{Job: job, Seq: seq}, nil
	case errors.Is(err, stream.ErrExists):
		a, err := i.replay(ctx, job)
		if !keyed {
			a.Replayed = false // a fresh id: it was an attempt of this very request whose ack was lost
		}
		return a, err
	case errors.Is(err, stream.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Accepted{}, unknownOutcome(job.JobID, keyed).because(err)
	case errors.Is(err, stream.ErrTooLarge):
		return Accepted{}, problem(http.StatusRequestEntityTooLarge, "job_too_large", "the job is too large for the tape; make it two jobs").because(err)
	}
	return Accepted{}, fmt.Errorf("publishing a job: %w", err)
}

// replay finds the job that stands under the id already. Another request
// under the same key is refused.
func (i Intake) replay(ctx context.Context, job *events.JobQueued) (Accepted, error) {
	stored, err := i.Tape.JobEvent(ctx, job.JobID, "queued")
	if errors.Is(err, stream.ErrNotFound) || errors.Is(err, events.ErrMalformed) {
		// What is left of a job that the tape lost, or of nobody knows what: its
		// outcomes would stand in the way of this one's.
		return Accepted{}, problem(http.StatusConflict, "job_id_taken",
			"the tape holds events of a job under this key, and no submission; use a new key").because(err)
	}
	if err != nil {
		return Accepted{}, fmt.Errorf("reading the job under the key: %w", err)
	}
	before, ok := stored.Data.(*events.JobQueued)
	if !ok || before.RequestSHA256 != job.RequestSHA256 {
		p := problem(http.StatusUnprocessableEntity, "idempotency_key_reused", "the key was used for another request; use a new key")
		p.Errors = []FieldError{{Message: "belongs to another request", Location: "header.idempotency-key"}}
		return Accepted{}, p
	}
	return Accepted{Job: before, Seq: stored.Seq, Replayed: true}, nil
}

// Cancel puts a cancel on the tape, or finds one there, and returns its sequence.
func (i Intake) Cancel(ctx context.Context, jobID, reason string) (seq uint64, err error) {
	event := &events.JobCancelled{JobID: jobID, Reason: reason, RequestedBy: source}
	seq, err = i.Tape.Publish(ctx, events.New(source, i.Clock(), event))
	if errors.Is(err, stream.ErrExists) { // somebody was first, or a lost ack: it is cancelled
		var before events.Recorded
		before, err = i.Tape.JobEvent(ctx, jobID, "cancelled")
		seq = before.Seq
	}
	if err != nil {
		return 0, fmt.Errorf("publishing a cancel: %w", err)
	}
	i.Log.Info("job cancel asked for", "job_id", jobID, "seq", seq)
	return seq, nil
}

// codeOutcomeUnknown is the code of a submission that nobody knows the outcome of.
const codeOutcomeUnknown = "outcome_unknown"

// unknownOutcome tells a client how to find out whether its job was accepted.
func unknownOutcome(jobID string, keyed bool) *Problem {
	how := "ask for the job before you submit again, or submit with an Idempotency-Key"
	if keyed {
		how = "repeat the request with the same Idempotency-Key"
	}
	p := problem(http.StatusServiceUnavailable, codeOutcomeUnknown, "the tape did not answer in time, the job may be accepted or not; "+how)
	p.JobID = jobID
	return p.after(retryAfterBusy)
}
