package api

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

// getExplanation is GET /api/v1/tickers/{ticker}/explain: how the newest
// result, or that of a job or a day, came about.
func (s *Server) getExplanation(c *fiber.Ctx) error {
	if err := s.begin(c, "strategy", "job", "day", "class"); err != nil {
		return err
	}
	q := store.HistoryQuery{StrategyName: c.Query("strategy"), Daily: true}
	var err error
	if q.Class, err = queryClass(c); err != nil {
		return err
	}
	if q.TradingDay, err = queryDay(c, "day"); err != nil {
		return err
	}
	if id := c.Query("job"); id != "" {
		if q.JobID, err = jobID(id); err != nil {
			return badQuery("query.job", "must be a job's id", id)
		}
		q.Daily = false // a later job may have given the day's answer
	}
	r, asOf, found, err := s.newest(c, q)
	if err != nil {
		return err
	}
	if !found {
		return s.nothingToExplain(c, q)
	}
	ctx := c.UserContext()
	indicators, err := s.config.Reader.Indicators(ctx, r.Seq)
	if err != nil {
		return fmt.Errorf("reading the indicators of a result: %w", err)
	}
	job, _, err := s.config.Reader.Job(ctx, r.JobID)
	if err != nil {
		return fmt.Errorf("reading the job of a result: %w", err)
	}
	explained, err := explain(r, job.Job, indicators)
	if err != nil {
		return err
	}
	explained.AsOfSeq = asOf
	return answer(c, r.Seq, explained)
}

// getResult is GET /api/v1/jobs/{id}/results/{ticker}: one result of a job.
func (s *Server) getResult(c *fiber.Ctx) error {
	if err := s.begin(c, "include"); err != nil {
		return err
	}
	include, err := queryOneOf(c, "include", "indicators")
	if err != nil {
		return err
	}
	q := store.HistoryQuery{}
	if q.JobID, err = jobID(c.Params("id")); err != nil {
		return err
	}
	r, asOf, found, err := s.newest(c, q)
	if err != nil {
		return err
	}
	if !found {
		return s.nothingToExplain(c, q)
	}
	one := oneResultJSON{resultJSON: toResult(r), AsOfSeq: asOf}
	if include != "" {
		indicators, err := s.config.Reader.Indicators(c.UserContext(), r.Seq)
		if err != nil {
			return fmt.Errorf("reading the indicators of a result: %w", err)
		}
		one.Indicators = list(indicators)
	}
	return answer(c, r.Seq, one)
}

// oneResultJSON is a result by itself; its indicators only if asked for.
type oneResultJSON struct {
	resultJSON
	Indicators []events.Indicator `json:"indicators,omitempty"`
	AsOfSeq    uint64             `json:"as_of_seq"`
}

// newest finds the first result of a query about the ticker in the path: of
// real data if there is any, unless the query names a class.
func (s *Server) newest(c *fiber.Ctx, q store.HistoryQuery) (r store.Result, asOf uint64, found bool, err error) {
	classes := []string{q.Class}
	if q.Class == "" && q.JobID == "" {
		classes = []string{store.ClassReal, store.ClassSynthetic}
	}
	q.Limit = 1
	for _, q.Class = range classes {
		page, err := s.historyOf(c, "ticker", q, ticker.Parse, ticker.FromSymbol)
		if err != nil {
			return r, 0, false, err
		}
		if len(page.Items) > 0 {
			return page.Items[0], page.AsOf, true, nil
		}
	}
	return r, 0, false, nil
}

// nothingToExplain is the 404 that says why there is no result, and what to do.
func (s *Server) nothingToExplain(c *fiber.Ctx, q store.HistoryQuery) error {
	text, err := pathParam(c, "ticker")
	if err != nil {
		return err
	}
	name, err := ticker.Parse(text)
	if err != nil {
		return badQuery("path.ticker", reasonOf(err), text)
	}
	if q.JobID != "" {
		view, _, _, err := s.job(c.UserContext(), q.JobID)
		if err != nil {
			return err
		}
		if view.Kind == events.KindBacktest {
			return otherKind(view)
		}
		return problem(http.StatusNotFound, "not_found", fmt.Sprintf(
			"the job has no such result of %s: it is not one of its tickers, or pending, failed or cancelled; see %s/details", name, jobPath(q.JobID)))
	}
	what := "nothing is recorded of " + name
	if q.StrategyName != "" || q.TradingDay != "" || q.Class != "" {
		what += " that fits the query; without it the newest result counts. Else"
	} else {
		what += ";"
	}
	return problem(http.StatusNotFound, "not_found", what+` submit a job over it: POST /api/v1/jobs {"tickers":["`+name+`"]}`)
}

// queryDay is a date of an exchange; "" if absent.
func queryDay(c *fiber.Ctx, name string) (string, error) {
	text := c.Query(name)
	if text == "" {
		return "", nil
	}
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return "", badQuery("query."+name, "must be a day such as 2026-01-31", text)
	}
	return text, nil
}

// explainPath is where a ticker's result of a job is explained.
func explainPath(r store.Result) string {
	return "/api/v1/tickers/" + url.PathEscape(r.Ticker) + "/explain?job=" + r.JobID
}
