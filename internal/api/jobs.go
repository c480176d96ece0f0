package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/stream"
)

const (
	headerKey      = "Idempotency-Key"
	headerReplayed = "Idempotent-Replayed"
)

// submitJob is POST /api/v1/jobs: read, check, resolve defaults, publish.
// Nothing is published unless everything is right.
func (s *Server) submitJob(c *fiber.Ctx) error { return s.submit(c, s.parseSubmission) }

// submit accepts a submission whose body parse reads.
func (s *Server) submit(c *fiber.Ctx, parse func(body []byte, now time.Time) (submission, error)) error {
	if err := s.rates.take(c.IP()); err != nil {
		return err
	}
	sub, err := parse(c.Body(), s.config.Clock())
	if err != nil {
		return err
	}
	a, err := s.accept(c, sub)
	if err != nil {
		return err
	}
	return sendAccepted(c, a)
}

// accept publishes a job, or finds it published by the same request before,
// also when its universe cannot be had any more, or its strategy's name has been
// given to another since.
func (s *Server) accept(c *fiber.Ctx, sub submission) (Accepted, error) {
	ctx, key := c.UserContext(), c.Get(headerKey)
	if err := checkKey(key); err != nil {
		return Accepted{}, err
	}
	id, err := newJobID(key)
	if err != nil {
		return Accepted{}, err
	}
	if err = s.checkName(sub); err == nil {
		err = s.takeUniverse(ctx, &sub)
	}
	if err != nil {
		if sha, shaErr := sub.sha(); shaErr == nil && key != "" {
			if a, err := s.intake().replay(ctx, &events.JobQueued{JobID: id, RequestSHA256: sha}); err == nil {
				return a, nil
			}
		}
		return Accepted{}, err
	}
	job, err := sub.queued(id, s.config.Clock())
	if err != nil {
		return Accepted{}, err
	}
	full, err := s.fill.check(ctx, promisedBytes(job.Kind, len(job.Tickers)))
	if err != nil {
		return Accepted{}, notSubmitted().because(fmt.Errorf("reading the tape's state: %w", err))
	}
	refused := tapeFull()
	if err := s.notStoring(); err != nil {
		full, refused = true, diskFull().because(err)
	}
	if full {
		if a, err := s.intake().replay(ctx, job); err == nil { // it was accepted while there was room
			return a, nil
		}
		return Accepted{}, refused
	}
	a, err := s.publish(ctx, job, key != "")
	a.warning = sub.warning
	return a, err
}

// publish submits a job, and notes whether the tape answers publishes.
func (s *Server) publish(ctx context.Context, job *events.JobQueued, keyed bool) (Accepted, error) {
	a, err := s.intake().Submit(ctx, job, keyed)
	var told *Problem
	switch {
	case err == nil && !a.Replayed:
		s.unanswered.set(time.Time{})
	case errors.As(err, &told) && told.Code == codeOutcomeUnknown:
		s.noAnswer()
	}
	return a, err
}

// notSubmitted is for a tape that is gone before anything was sent to it.
func notSubmitted() *Problem {
	return problem(http.StatusServiceUnavailable, "tape_unavailable", "the tape does not answer; this request submitted nothing, try again").after(retryAfterBusy)
}

func sendAccepted(c *fiber.Ctx, a Accepted) error {
	if a.Replayed {
		c.Set(headerReplayed, "true")
	}
	c.Location(jobPath(a.Job.JobID))
	c.Status(http.StatusAccepted)
	return sendJSON(c, toAccepted(a))
}

// getJob is GET /api/v1/jobs/{id}.
func (s *Server) getJob(c *fiber.Ctx) error {
	if err := s.begin(c); err != nil {
		return err
	}
	view, asOf, _, err := s.job(c.UserContext(), c.Params("id"))
	if err != nil {
		return err
	}
	return answer(c, view.Progress.LastSeq, toJob(view, asOf))
}

// job finds a job in the database or, if it is not recorded yet, on the tape.
func (s *Server) job(ctx context.Context, text string) (view store.JobView, asOf uint64, recorded bool, err error) {
	id, err := jobID(text)
	if err != nil {
		return view, 0, false, err
	}
	view, asOf, err = s.config.Reader.Job(ctx, id)
	if err == nil {
		return view, asOf, true, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return view, 0, false, fmt.Errorf("reading a job: %w", err)
	}
	view, err = s.jobOnTape(ctx, id)
	if err != nil {
		return view, 0, false, err
	}
	position, err := s.config.Reader.Position(ctx)
	if err != nil {
		return view, 0, false, fmt.Errorf("reading the checkpoint: %w", err)
	}
	return view, position.Seq, false, nil
}

func jobID(text string) (string, error) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return "", notFound("job")
	}
	return id.String(), nil
}

// jobOnTape makes the view of a job that is not recorded yet: queued, or
// running or cancelled if the tape says so. What its outcomes are only the
// recorder counts.
func (s *Server) jobOnTape(ctx context.Context, id string) (store.JobView, error) {
	stored, err := s.config.Tape.JobEvent(ctx, id, "queued")
	if errors.Is(err, stream.ErrNotFound) {
		return store.JobView{}, notFound("job")
	}
	if err != nil {
		return store.JobView{}, fmt.Errorf("reading a job from the tape: %w", err)
	}
	queued, ok := stored.Data.(*events.JobQueued)
	if !ok {
		return store.JobView{}, notFound("job")
	}
	view := tapeView(queued, stored)
	started, err := s.onTape(ctx, id, "started")
	if err != nil {
		return view, err
	}
	if started.Seq > 0 {
		view.Progress.Status, view.Progress.StartedAt, view.Progress.LastSeq = events.StatusRunning, started.At, started.Seq
		return view, nil
	}
	cancelled, err := s.onTape(ctx, id, "cancelled")
	if err == nil && cancelled.Seq > 0 { // before any work: no ticker has an outcome
		p := &view.Progress
		p.Status, p.Cancelled, p.CompletedAt = events.StatusCancelled, p.Total, cancelled.At
		p.LastSeq, p.CancelSeq = cancelled.Seq, cancelled.Seq
	}
	return view, err
}

// onTape reads a job's event; Seq 0 if there is none.
func (s *Server) onTape(ctx context.Context, id, what string) (events.Recorded, error) {
	recorded, err := s.config.Tape.JobEvent(ctx, id, what)
	if errors.Is(err, stream.ErrNotFound) {
		return events.Recorded{}, nil
	}
	if err != nil {
		return recorded, fmt.Errorf("reading a job's %s from the tape: %w", what, err)
	}
	return recorded, nil
}

func tapeView(q *events.JobQueued, stored events.Recorded) store.JobView {
	return store.JobView{
		Job: store.Job{
			ID: q.JobID, Kind: q.Kind, Origin: q.Origin, ParentID: q.ParentJobID, Universe: q.Universe,
			Tickers: q.Tickers, Total: len(q.Tickers), Capital: q.Capital, StrategyName: q.StrategyName,
			StrategyHash: q.StrategyHash, Strategy: q.Strategy, Options: q.Options, RequestSHA256: q.RequestSHA256,
			Deadline: q.Deadline, Backtest: q.Backtest, CreatedAt: stored.At, Seq: stored.Seq,
		},
		Progress: store.Progress{JobID: q.JobID, Status: events.StatusQueued, Total: len(q.Tickers), LastSeq: stored.Seq},
	}
}

// listJobs is GET /api/v1/jobs.
func (s *Server) listJobs(c *fiber.Ctx) error {
	if err := s.begin(c, "status", "active", "limit", "cursor"); err != nil {
		return err
	}
	limit, err := queryLimit(c)
	if err != nil {
		return err
	}
	status, err := queryOneOf(c, "status", "queued", "running", "completed", "failed", "cancelled")
	if err != nil {
		return err
	}
	active, err := queryOneOf(c, "active", "true", "false")
	if err != nil {
		return err
	}
	if active == "true" && status != "" {
		return badQuery("query.active", "excludes status; give one of them", active)
	}
	page, err := s.config.Reader.Jobs(c.UserContext(), store.JobsQuery{
		Status: events.Status(status), Active: active == "true", After: store.Cursor(c.Query("cursor")), Limit: limit,
	})
	if err != nil {
		return fmt.Errorf("listing jobs: %w", err)
	}
	link(c, page.Next)
	tag := tagOf()
	for _, v := range page.Items {
		tag.add(v.ID, v.Progress.LastSeq)
	}
	return answerTagged(c, tag, toPage(page, func(v store.JobView) jobJSON { return toJob(v, page.AsOf) }))
}

// cancelJob is POST /api/v1/jobs/{id}/cancel. It publishes; what it stops is
// seen when it is recorded.
func (s *Server) cancelJob(c *fiber.Ctx) error {
	reason, err := cancelReason(c.Body())
	if err != nil {
		return err
	}
	ctx := c.UserContext()
	view, _, _, err := s.job(ctx, c.Params("id"))
	if err != nil {
		return err
	}
	if view.Progress.Status.Ended() {
		return problem(http.StatusConflict, "job_ended", "the job has ended: "+string(view.Progress.Status))
	}
	seq, err := s.intake().Cancel(ctx, view.ID, reason)
	if err != nil {
		return err
	}
	now, asOf, _, err := s.job(ctx, view.ID)
	if err != nil {
		return err
	}
	c.Location(jobPath(view.ID))
	c.Status(http.StatusAccepted)
	return sendJSON(c, struct {
		jobJSON
		CancelSeq uint64 `json:"cancel_seq"` // give it as min_seq to read the job as cancelled
	}{toJob(now, asOf), seq})
}

func cancelReason(body []byte) (string, error) {
	if len(body) == 0 {
		return "", nil
	}
	f, err := readBody(body)
	if err != nil {
		return "", err
	}
	f.only("reason")
	reason := or(f.text("reason"), "")
	if len(reason) > maxReason {
		f.wrong("reason", fmt.Sprintf("must have at most %d bytes", maxReason), reason)
	}
	if strings.ContainsFunc(reason, unicode.IsControl) {
		f.wrong("reason", "must be a line of text", "")
	}
	if len(*f.errs) > 0 {
		return "", invalid(*f.errs)
	}
	return reason, nil
}

// retryJob is POST /api/v1/jobs/{id}/retry: the failed tickers of a job that
// has ended, with its capital, strategy and options, as a new job.
func (s *Server) retryJob(c *fiber.Ctx) error {
	if err := s.rates.take(c.IP()); err != nil {
		return err
	}
	if len(c.Body()) > 0 {
		f, err := readBody(c.Body())
		if err != nil {
			return err
		}
		if f.only(); len(*f.errs) > 0 {
			return invalid(*f.errs)
		}
	}
	ctx := c.UserContext()
	parent, _, recorded, err := s.job(ctx, c.Params("id"))
	if err != nil {
		return err
	}
	if !recorded || !parent.Progress.Status.Ended() {
		return problem(http.StatusConflict, "job_not_ended", "the job has not ended; its failed tickers are not all known")
	}
	sub, err := s.retryOf(ctx, parent)
	if err != nil {
		return err
	}
	a, err := s.accept(c, sub)
	if err != nil {
		return err
	}
	return sendAccepted(c, a)
}

func (s *Server) retryOf(ctx context.Context, parent store.JobView) (submission, error) {
	document, err := strategy.Parse(parent.Strategy)
	if err != nil {
		return submission{}, fmt.Errorf("reading the strategy of job %s: %w", parent.ID, err)
	}
	o := parent.Options
	sub := submission{
		Capital: &parent.Capital, Strategy: document.Canonical(), Risk: &o.RiskPercent, Limit: &o.PositionLimitPercent,
		Reward: &o.MinRiskReward, Bars: &o.Bars, RetryOf: parent.ID, document: document, origin: events.OriginRetry,
		Window: windowOf(parent.Backtest),
	}
	q := store.DetailsQuery{JobID: parent.ID, Status: store.DetailFailed, Limit: store.MaxPage}
	for {
		page, err := s.config.Reader.Details(ctx, q)
		if err != nil {
			return sub, fmt.Errorf("reading the failed tickers: %w", err)
		}
		for _, d := range page.Items {
			sub.Tickers = append(sub.Tickers, d.Ticker)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if len(sub.Tickers) == 0 {
		return sub, problem(http.StatusConflict, "nothing_failed", "no ticker of the job failed; there is nothing to retry")
	}
	return sub, nil
}
