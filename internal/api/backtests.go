package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"github.com/tapedeck/tapedeck/internal/backtest/measure"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

// backtestsJSON is a backtest: the job, the equal-weight sum, and a page of its
// tickers, best return first.
type backtestsJSON struct {
	jobJSON
	// EqualWeight is only on the first page; null while there is none.
	EqualWeight *equalWeightJSON `json:"equal_weight"`
	Items       []backtestJSON   `json:"items"`
	NextCursor  *string          `json:"next_cursor"`
}

// getBacktest is GET /api/v1/backtests/{id}. As CSV it gives every ticker.
func (s *Server) getBacktest(c *fiber.Ctx) error {
	if err := s.begin(c, "limit", "cursor", "format"); err != nil {
		return err
	}
	q := store.BacktestsQuery{After: store.Cursor(c.Query("cursor"))}
	var err error
	if q.Limit, err = queryLimit(c); err != nil {
		return err
	}
	csv, err := wantsCSV(c)
	if err != nil {
		return err
	}
	view, asOf, err := s.backtestJob(c)
	if err != nil {
		return err
	}
	if q.JobID = view.ID; csv {
		return s.sendBacktestsCSV(c, q)
	}
	page, err := s.config.Reader.Backtests(c.UserContext(), q)
	if errors.Is(err, store.ErrNotFound) { // on the tape, not recorded yet
		page, err = store.Page[store.Backtest]{AsOf: asOf}, nil
	}
	if err != nil {
		return fmt.Errorf("reading backtests: %w", err)
	}
	answer := backtestsJSON{jobJSON: toJob(view, asOf)}
	if q.After == "" && len(page.Items) > 0 {
		if answer.EqualWeight, err = s.pools.of(c.UserContext(), s.config.Reader, view); err != nil {
			return err
		}
	}
	items := toPage(page, toBacktest)
	answer.Items, answer.NextCursor = items.Items, items.NextCursor // as_of_seq is the job's, which was read before
	link(c, page.Next)
	tag := tagOf(view.Progress.LastSeq)
	for _, b := range page.Items {
		tag.add(b.Ticker, b.Seq)
	}
	return answerTagged(c, tag, answer)
}

// getBacktestTicker is GET /api/v1/backtests/{id}/tickers/{ticker}: with its
// trades and the course of its equity. As CSV it gives its trades, or with
// part=equity that course.
func (s *Server) getBacktestTicker(c *fiber.Ctx) error {
	if err := s.begin(c, "format", "part"); err != nil {
		return err
	}
	csv, err := wantsCSV(c)
	if err != nil {
		return err
	}
	part, err := queryOneOf(c, "part", "trades", "equity")
	if err != nil {
		return err
	}
	if part != "" && !csv {
		return badQuery("query.part", "is of format=csv; as JSON there is everything", part)
	}
	view, _, err := s.backtestJob(c)
	if err != nil {
		return err
	}
	whole, asOf, err := s.backtestOf(c, view.ID)
	if err != nil {
		return err
	}
	switch {
	case csv && part == "equity":
		return sendCSV(c, whole.Ticker+"-equity", equityHead(), equityRows(whole))
	case csv:
		return sendCSV(c, whole.Ticker+"-trades", tradesHead(), tradesRows(whole))
	}
	return answer(c, whole.Seq, wholeBacktestJSON{
		backtestJSON: toBacktest(whole.Backtest), Trades: list(whole.Trades), Equity: toPoints(toCurve(whole.Curve)), AsOfSeq: asOf,
	})
}

// backtestOf reads the backtest of the ticker that the path names, also under
// its spelling with ".NS".
func (s *Server) backtestOf(c *fiber.Ctx, jobID string) (store.BacktestWhole, uint64, error) {
	text, err := pathParam(c, "ticker")
	if err != nil {
		return store.BacktestWhole{}, 0, err
	}
	name, err := ticker.Parse(text)
	if err != nil {
		return store.BacktestWhole{}, 0, badQuery("path.ticker", reasonOf(err), text)
	}
	whole, asOf, err := s.config.Reader.Backtest(c.UserContext(), jobID, name)
	if other, e := ticker.FromSymbol(text); errors.Is(err, store.ErrNotFound) && e == nil && other != name {
		whole, asOf, err = s.config.Reader.Backtest(c.UserContext(), jobID, other)
	}
	if errors.Is(err, store.ErrNotFound) {
		return whole, asOf, problem(http.StatusNotFound, "not_found", fmt.Sprintf(
			"the job has no backtest of %s: it is not one of its tickers, or pending, failed or cancelled; see %s/details", name, jobPath(jobID)))
	}
	if err != nil {
		return whole, asOf, fmt.Errorf("reading a backtest: %w", err)
	}
	return whole, asOf, nil
}

// pools makes the equal-weight sums of jobs, one at a time, since a large job
// takes seconds and much memory; and keeps the newest ones, since people look
// at the same job again and again.
type pools struct {
	turn chan struct{} // holds one token: who has it may make a sum, and use kept
	kept []pooled      // newest last
}

type pooled struct {
	jobID   string
	lastSeq uint64
	sum     *equalWeightJSON
}

func newPools() *pools {
	p := &pools{turn: make(chan struct{}, 1)}
	p.turn <- struct{}{}
	return p
}

// of returns the sum of a job's backtests as of its last change, or nil if they
// are too many to be added up here.
func (p *pools) of(ctx context.Context, reader store.BacktestReader, view store.JobView) (*equalWeightJSON, error) {
	select {
	case <-p.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { p.turn <- struct{}{} }()
	for _, kept := range p.kept {
		if kept.jobID == view.ID && kept.lastSeq == view.Progress.LastSeq {
			return kept.sum, nil
		}
	}
	sum, err := poolOf(ctx, reader, view.ID)
	if err != nil {
		return nil, fmt.Errorf("adding up backtests: %w", err)
	}
	p.kept = append(p.kept, pooled{view.ID, view.Progress.LastSeq, sum})
	p.kept = p.kept[max(0, len(p.kept)-keptPools):]
	return sum, nil
}

var errTooMany = errors.New("too many sessions to be added up")

func poolOf(ctx context.Context, reader store.BacktestReader, jobID string) (*equalWeightJSON, error) {
	var members []measure.Member
	sessions := 0
	_, err := reader.Curves(ctx, jobID, func(c store.BacktestCurve) error {
		if sessions += len(c.Curve.Equity); sessions > maxPooled {
			return errTooMany
		}
		members = append(members, toMember(c))
		return ctx.Err()
	})
	if errors.Is(err, errTooMany) || len(members) == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return toEqualWeight(measure.Portfolio(members)), nil
}
