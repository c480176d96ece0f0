package api

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/api/ui"
	"github.com/tapedeck/tapedeck/internal/store"
)

const (
	// pageJobs and pageResults are how much the page shows: a screen or two.
	pageJobs    = 20
	pageResults = 100
	// pageTime is how the page writes times, in UTC.
	pageTime = "2006-01-02 15:04:05 UTC"
)

// getPage is GET /: the newest jobs, and the results of the newest one that has any.
func (s *Server) getPage(c *fiber.Ctx) error {
	jobs, err := s.config.Reader.Jobs(c.UserContext(), store.JobsQuery{Limit: pageJobs})
	if err != nil {
		return fmt.Errorf("listing jobs: %w", err)
	}
	data := ui.Data{AsOfSeq: jobs.AsOf}
	for _, v := range jobs.Items {
		data.Jobs = append(data.Jobs, pageJob(v))
		if data.Of != "" || v.Progress.Analyzed == 0 || v.Kind != events.KindAnalysis {
			continue
		}
		results, err := s.config.Reader.Results(c.UserContext(), store.ResultsQuery{JobID: v.ID, Limit: pageResults})
		if err != nil {
			return fmt.Errorf("reading results: %w", err)
		}
		data.Of = v.ID
		for _, r := range results.Items {
			data.Results = append(data.Results, pageResult(r))
		}
	}
	var text bytes.Buffer
	if err := s.page.Render(&text, data); err != nil {
		return err
	}
	pageHeaders(c)
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return c.Send(text.Bytes())
}

func pageHeaders(c *fiber.Ctx) {
	c.Set(fiber.HeaderContentSecurityPolicy, ui.Policy)
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderCacheControl, "no-cache")
}

func pageJob(v store.JobView) ui.Job {
	return ui.Job{
		ID: v.ID, Status: string(v.Progress.Status), Created: v.CreatedAt.UTC().Format(pageTime), Strategy: v.StrategyName,
		Backtest: v.Kind == events.KindBacktest,
		Total:    v.Total, Done: v.Total - v.Progress.Pending(), Failed: v.Progress.Failed,
		Percent: percent(v.Total-v.Progress.Pending(), v.Total),
	}
}

func pageResult(r store.Result) ui.Result {
	return ui.Result{
		Ticker: r.Ticker, Verdict: string(r.Verdict), TradingDay: r.TradingDay, Score: r.Score, Entry: r.Plan.Entry,
		Stop: r.Plan.Stop, Target: r.Plan.Target, Size: r.Plan.Size, Synthetic: r.Lineage.Synthetic, Doubts: strings.Join(r.Lineage.Warnings, "; "),
	}
}

// getScript is GET /ui/app.mjs.
func (s *Server) getScript(c *fiber.Ctx) error {
	return pageFile(c, "app.mjs", "text/javascript; charset=utf-8")
}

// getStyle is GET /ui/style.css.
func (s *Server) getStyle(c *fiber.Ctx) error {
	return pageFile(c, "style.css", "text/css; charset=utf-8")
}

func pageFile(c *fiber.Ctx, name, kind string) error {
	text, err := ui.File(name)
	if err != nil {
		return err
	}
	pageHeaders(c)
	c.Set(fiber.HeaderContentType, kind)
	return c.Send(text)
}
