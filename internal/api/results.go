package api

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

// getDetails is GET /api/v1/jobs/{id}/details.
func (s *Server) getDetails(c *fiber.Ctx) error {
	if err := s.begin(c, "status", "code", "limit", "cursor"); err != nil {
		return err
	}
	q := store.DetailsQuery{After: store.Cursor(c.Query("cursor"))}
	var err error
	if q.JobID, err = jobID(c.Params("id")); err != nil {
		return err
	}
	if q.Limit, err = queryLimit(c); err != nil {
		return err
	}
	if q.Status, err = queryOneOf(c, "status", store.DetailPending, store.DetailAnalyzed, store.DetailFailed, store.DetailCancelled); err != nil {
		return err
	}
	code, err := queryOneOf(c, "code", failureCodes()...)
	if err != nil {
		return err
	}
	q.Code = events.FailureCode(code)
	page, err := s.config.Reader.Details(c.UserContext(), q)
	if errors.Is(err, store.ErrNotFound) {
		return s.detailsOnTape(c, q)
	}
	if err != nil {
		return fmt.Errorf("reading details: %w", err)
	}
	return sendDetails(c, page)
}

func sendDetails(c *fiber.Ctx, page store.Page[store.Detail]) error {
	link(c, page.Next)
	tag := tagOf()
	for _, d := range page.Items {
		tag.add(d.Ticker, d.Seq)
	}
	return answerTagged(c, tag, toPage(page, toDetail))
}

func failureCodes() []string {
	var codes []string
	for _, f := range events.Failures() {
		codes = append(codes, string(f.Code))
	}
	return codes
}

// detailsOnTape lists the tickers of a job that is not recorded yet: all are
// pending. It gives one page, with the cursor of the recorded list left out:
// by then the job is recorded.
func (s *Server) detailsOnTape(c *fiber.Ctx, q store.DetailsQuery) error {
	view, asOf, recorded, err := s.job(c.UserContext(), q.JobID)
	if err != nil {
		return err
	}
	if recorded { // between the two reads
		page, err := s.config.Reader.Details(c.UserContext(), q)
		if err != nil {
			return fmt.Errorf("reading details: %w", err)
		}
		return sendDetails(c, page)
	}
	status := store.DetailPending
	if view.Progress.Status == events.StatusCancelled {
		status = store.DetailCancelled
	}
	page := store.Page[store.Detail]{AsOf: asOf}
	if q.Code == "" && (q.Status == "" || q.Status == status) {
		for i, t := range view.Tickers {
			page.Items = append(page.Items, store.Detail{Ticker: t, Position: i, Status: status})
		}
	}
	return sendJSON(c, toPage(page, toDetail))
}

// getResults is GET /api/v1/jobs/{id}/results.
func (s *Server) getResults(c *fiber.Ctx) error {
	if err := s.begin(c, "verdict", "limit", "cursor"); err != nil {
		return err
	}
	q := store.ResultsQuery{After: store.Cursor(c.Query("cursor"))}
	var err error
	if q.JobID, err = jobID(c.Params("id")); err != nil {
		return err
	}
	if q.Limit, err = queryLimit(c); err != nil {
		return err
	}
	if q.Verdict, err = queryVerdict(c); err != nil {
		return err
	}
	page, err := s.config.Reader.Results(c.UserContext(), q)
	if errors.Is(err, store.ErrNotFound) {
		view, asOf, _, err := s.job(c.UserContext(), q.JobID)
		if err != nil {
			return err
		}
		if view.Kind == events.KindBacktest {
			return otherKind(view)
		}
		return sendJSON(c, toPage(store.Page[store.Result]{AsOf: asOf}, toResult))
	}
	if err == nil && len(page.Items) == 0 {
		view, _, err := s.config.Reader.Job(c.UserContext(), q.JobID)
		if err == nil && view.Kind == events.KindBacktest {
			return otherKind(view)
		}
	}
	return sendResults(c, page, err)
}

func queryVerdict(c *fiber.Ctx) (events.Verdict, error) {
	verdict, err := queryOneOf(c, "verdict", string(events.StrongBuy), string(events.Buy), string(events.Hold), string(events.Sell), string(events.StrongSell))
	return events.Verdict(verdict), err
}

// sendResults sends a page of results. Results never change, so the tag
// follows from their sequences.
func sendResults(c *fiber.Ctx, page store.Page[store.Result], err error) error {
	if err != nil {
		return fmt.Errorf("reading results: %w", err)
	}
	link(c, page.Next)
	tag := tagOf()
	for _, r := range page.Items {
		tag.add("", r.Seq)
	}
	return answerTagged(c, tag, toPage(page, toResult))
}

// getScreen is GET /api/v1/results: every ticker's newest day. Real data
// unless synthetic is asked for.
func (s *Server) getScreen(c *fiber.Ctx) error {
	if err := s.begin(c, "strategy", "class", "verdict", "max_age_days", "limit", "cursor"); err != nil {
		return err
	}
	q := store.ScreenQuery{After: store.Cursor(c.Query("cursor")), Class: store.ClassReal}
	class, err := queryClass(c)
	if err != nil {
		return err
	}
	if class != "" {
		q.Class = class
	}
	if q.StrategyHash, err = s.queryStrategy(c); err != nil {
		return err
	}
	if q.Verdict, err = queryVerdict(c); err != nil {
		return err
	}
	if q.MaxAgeDays, err = queryInt(c, "max_age_days", screenDays, 0, maxScreenDays); err != nil {
		return err
	}
	if q.Limit, err = queryLimit(c); err != nil {
		return err
	}
	page, err := s.config.Reader.Screen(c.UserContext(), q)
	return sendResults(c, page, err)
}

// queryStrategy returns the hash of a strategy given by name or by hash. A
// name of the users' folder means its document as it stands now.
func (s *Server) queryStrategy(c *fiber.Ctx) (string, error) {
	text := c.Query("strategy")
	if text == "" {
		return "", nil
	}
	if len(text) == 64 && strings.Trim(text, "0123456789abcdef") == "" {
		return text, nil
	}
	document, _, err := s.strategyNamed(text)
	if err != nil {
		return "", badQuery("query.strategy", "must be a strategy ("+s.strategyNames()+") or a strategy's hash", text)
	}
	return document.Hash(), nil
}

// getLatest is GET /api/v1/tickers/{ticker}/latest: the newest day, of real
// data if there is any.
func (s *Server) getLatest(c *fiber.Ctx) error {
	if err := s.begin(c, "strategy", "class"); err != nil {
		return err
	}
	class, err := queryClass(c)
	if err != nil {
		return err
	}
	q := store.HistoryQuery{StrategyName: c.Query("strategy"), Class: class, Daily: true}
	r, asOf, found, err := s.newest(c, q)
	if err != nil {
		return err
	}
	if !found {
		return notFound("ticker with a result")
	}
	return answer(c, r.Seq, oneResultJSON{resultJSON: toResult(r), AsOfSeq: asOf})
}

// getHistory is GET /api/v1/tickers/{ticker}/history.
func (s *Server) getHistory(c *fiber.Ctx) error {
	if err := s.begin(c, "strategy", "class", "daily", "limit", "cursor"); err != nil {
		return err
	}
	q := store.HistoryQuery{StrategyName: c.Query("strategy"), After: store.Cursor(c.Query("cursor"))}
	var err error
	if q.Class, err = queryClass(c); err != nil {
		return err
	}
	daily, err := queryOneOf(c, "daily", "true", "false")
	if err != nil {
		return err
	}
	q.Daily = daily == "true"
	if q.Limit, err = queryLimit(c); err != nil {
		return err
	}
	page, err := s.historyOf(c, "ticker", q, ticker.Parse, ticker.FromSymbol)
	if err != nil {
		return err
	}
	return sendResults(c, page, nil)
}

// historyOf reads the history of the ticker that a path parameter names. A
// name that has none is looked up under its other spelling too: with ".NS",
// or, where symbols are asked for and that came first, without.
func (s *Server) historyOf(c *fiber.Ctx, param string, q store.HistoryQuery, first, second func(string) (string, error)) (store.Page[store.Result], error) {
	text, err := pathParam(c, param)
	if err != nil {
		return store.Page[store.Result]{}, err
	}
	q.Ticker, err = first(text)
	if err != nil {
		return store.Page[store.Result]{}, badQuery("path."+param, reasonOf(err), text)
	}
	page, err := s.readHistory(c.UserContext(), q)
	if err != nil || len(page.Items) > 0 {
		return page, err
	}
	if other, err := second(text); err == nil && other != q.Ticker {
		q.Ticker = other
		return s.readHistory(c.UserContext(), q)
	}
	return page, nil
}

func (s *Server) readHistory(ctx context.Context, q store.HistoryQuery) (store.Page[store.Result], error) {
	page, err := s.config.Reader.History(ctx, q)
	if err != nil {
		return page, fmt.Errorf("reading the history of a ticker: %w", err)
	}
	return page, nil
}

// reasonOf is what is illegal in a ticker.
func reasonOf(err error) string {
	var illegal *ticker.Error
	if errors.As(err, &illegal) {
		return "illegal ticker: " + illegal.Reason
	}
	return "is no ticker"
}
