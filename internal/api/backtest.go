package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

// A windowRequest is what a submission of a backtest says besides, before
// defaults. Nil and empty are what was not said.
type windowRequest struct {
	From     string   `json:"from,omitempty"`
	To       string   `json:"to,omitempty"`
	Cost     *float64 `json:"cost_percent,omitempty"`
	Slippage *float64 `json:"slippage_percent,omitempty"`
}

// submitBacktest is POST /api/v1/backtests: as a job is submitted, with a
// window and costs.
func (s *Server) submitBacktest(c *fiber.Ctx) error { return s.submit(c, s.parseBacktest) }

// parseBacktest reads the body of POST /api/v1/backtests, as parseSubmission does.
func (s *Server) parseBacktest(body []byte, now time.Time) (submission, error) {
	return s.parseRequest(body, now, func(f fields, sub *submission) {
		sub.Window = &windowRequest{
			From: f.date("from"), To: f.date("to"),
			Cost: f.number("cost_percent", 0, maxSidePercent), Slippage: f.number("slippage_percent", 0, maxSidePercent),
		}
		if len(*f.errs) == 0 {
			checkWindow(f, sub.Window.resolve(now), max(or(sub.Bars, defaultBars), sub.document.MinBars), now)
		}
	}, "from", "to", "cost_percent", "slippage_percent")
}

// resolve fills in the defaults: up to yesterday, whose session has ended
// wherever the exchange is, and three years back from there.
func (w windowRequest) resolve(now time.Time) *events.Backtest {
	b := &events.Backtest{
		From: w.From, To: w.To,
		CostPercent: or(w.Cost, defaultCostPercent), SlippagePercent: or(w.Slippage, defaultSlippagePercent),
	}
	if b.To == "" {
		b.To = now.UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	}
	if b.From == "" {
		to, _ := time.Parse(time.DateOnly, b.To) // checked where it was read
		b.From = to.AddDate(-defaultYears, 0, 0).Format(time.DateOnly)
	}
	return b
}

// checkWindow reports a window that ends before it begins or in the future, or
// that providers are not asked to reach back for.
func checkWindow(f fields, b *events.Backtest, bars int, now time.Time) {
	today := now.UTC().Truncate(24 * time.Hour)
	sessions := maxBars - bars // since from, at five a week
	oldest := today.AddDate(0, 0, -sessions/5*7).Format(time.DateOnly)
	switch {
	case b.To > today.Format(time.DateOnly):
		f.wrong("to", "must not lie ahead", b.To)
	case b.From > b.To:
		f.wrong("from", "must not be after to, "+b.To, b.From)
	case b.From < oldest:
		f.wrong("from", fmt.Sprintf("must not be before %s: a backtest reaches %d bars back, the %d that a signal sees included", oldest, maxBars, bars), b.From)
	}
}

// date returns a date as text; "" if it is absent or wrong.
func (f fields) date(name string) string {
	text := f.text(name)
	if text == nil {
		return ""
	}
	if day, err := time.Parse(time.DateOnly, *text); err != nil || day.Year() < firstYear {
		f.wrong(name, "must be a date such as 2024-01-31", *text)
		return ""
	}
	return *text
}

// windowOf is the window of a backtest, said in full, for its retry.
func windowOf(b *events.Backtest) *windowRequest {
	if b == nil {
		return nil
	}
	return &windowRequest{From: b.From, To: b.To, Cost: &b.CostPercent, Slippage: &b.SlippagePercent}
}

// backtestJob finds a job that must be a backtest.
func (s *Server) backtestJob(c *fiber.Ctx) (store.JobView, uint64, error) {
	view, asOf, _, err := s.job(c.UserContext(), c.Params("id"))
	if err == nil && view.Kind != events.KindBacktest {
		return view, asOf, otherKind(view)
	}
	return view, asOf, err
}

// otherKind tells where the results of a job of the other kind are.
func otherKind(v store.JobView) *Problem {
	if v.Kind == events.KindBacktest {
		return problem(http.StatusConflict, "job_is_backtest", "the job is a backtest; what it found is at "+backtestPath(v.ID))
	}
	return problem(http.StatusConflict, "job_is_analysis", "the job is no backtest; what it found is at "+jobPath(v.ID)+"/results")
}

func backtestPath(id string) string { return "/api/v1/backtests/" + id }
