package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/ticker"
	"github.com/tapedeck/tapedeck/internal/universe"
)

// This file and predecessor_wire.go answer the URLs of the system before, with
// its field names, status words and error shape. What lies behind is ours.

const (
	// predecessorActive and predecessorEnded are how many jobs its progress lists.
	predecessorActive = 20
	predecessorEnded  = 5
	// predecessorEndedFor is how long an ended job stays in its progress.
	predecessorEndedFor = time.Hour
)

// predecessorSubmit is POST /api/stocks/analyze-all-stocks.
func (s *Server) predecessorSubmit(c *fiber.Ctx) error {
	if err := s.rates.take(c.IP()); err != nil {
		return err
	}
	sub, err := s.parsePredecessor(c)
	if err != nil {
		return err
	}
	a, err := s.accept(c, sub)
	if err != nil {
		return err
	}
	if a.Replayed {
		c.Set(headerReplayed, "true")
	}
	c.Location(jobPath(a.Job.JobID))
	c.Status(http.StatusCreated)
	return sendJSON(c, predecessorAccepted{
		JobID: a.Job.JobID, Status: "queued", ThreadStarted: true,
		Count: len(a.Job.Tickers), Capital: a.Job.Capital, Symbols: a.Job.Tickers,
	})
}

// parsePredecessor reads its submission. Fields that it does not know are
// ignored there, and so here; what a field that is known cannot mean here is
// refused, never dropped.
func (s *Server) parsePredecessor(c *fiber.Ctx) (submission, error) {
	sub := submission{origin: events.OriginAPI}
	f := fields{path: "body", errs: new([]FieldError)}
	if len(c.Body()) > 0 {
		read, err := readBody(c.Body())
		if err != nil {
			return sub, err
		}
		f = read
	}
	id := f.whole("strategy_id", 1, len(strategy.Builtins()))
	document, _ := strategy.BuiltinByID(or(id, 1))
	if id != nil {
		sub.Strategy = document.Canonical()
	}
	sub.document = s.predecessorWeights(f, document, &sub)
	sub.Capital = positive(f, "capital")
	sub.Risk = f.number("risk_percent", minRiskPercent, maxRiskPercent)
	sub.Limit = f.number("position_size_limit", minLimitPercent, maxLimitPercent)
	sub.Reward = f.number("risk_reward_ratio", 0, maxRiskReward)
	sub.Bars = predecessorBars(f)
	f.flag("force") // each submission is a job of its own here
	if or(f.flag("use_demo_data"), false) {
		f.wrong("use_demo_data", "is not chosen per job; start tapedeck with --market synthetic", "true")
	}
	if err := s.predecessorSymbols(c, f, &sub); err != nil {
		return sub, err
	}
	if len(*f.errs) > 0 {
		return sub, invalid(*f.errs)
	}
	return sub, nil
}

// predecessorSymbols takes the symbols: TCS is TCS.NS, and none are all.
func (s *Server) predecessorSymbols(c *fiber.Ctx, f fields, sub *submission) error {
	list := f.list("symbols")
	if len(list) > maxTickers {
		f.wrong("symbols", fmt.Sprintf("has %d symbols; at most %d make a job", len(list), maxTickers), "")
		return nil
	}
	if len(list) > 0 {
		sub.Tickers = parseTickers(f, "symbols", list, ticker.FromSymbol)
		return nil
	}
	return s.predecessorAll(c.UserContext(), sub)
}

// predecessorAll takes every ticker of the market or, without a lister, those
// of the universe.
func (s *Server) predecessorAll(ctx context.Context, sub *submission) error {
	if s.config.Lister == nil {
		return s.predecessorUniverse(ctx, sub)
	}
	tickers, err := s.config.Lister(ctx)
	if errors.Is(err, universe.ErrCannotList) {
		return s.predecessorUniverse(ctx, sub)
	}
	if err != nil {
		return fmt.Errorf("listing all symbols: %w", err)
	}
	if len(tickers) > maxTickers {
		return problem(http.StatusBadRequest, "no_stocks_found", fmt.Sprintf("the market lists %d tickers, at most %d make a job; name symbols", len(tickers), maxTickers))
	}
	if sub.Tickers = s.legal(tickers); len(sub.Tickers) == 0 {
		return problem(http.StatusBadRequest, "no_stocks_found", "the market lists no tickers; name symbols")
	}
	return nil
}

// predecessorUniverse takes the universe that stands for all symbols.
func (s *Server) predecessorUniverse(ctx context.Context, sub *submission) error {
	found, err := s.resolve(ctx, s.config.Universe)
	if err != nil {
		return fmt.Errorf("listing all symbols: %w", err)
	}
	sub.Universe, sub.Tickers, sub.recorded = s.config.Universe, found.Tickers, recordedAs(found)
	return nil
}

// predecessorBars turns a period into a number of daily bars: a year has 252.
func predecessorBars(f fields) *int {
	text := f.text("data_period")
	if text == nil {
		return nil
	}
	bars, known := map[string]int{"100d": 100, "200d": 200, "365d": 252, "1y": 252, "2y": 504}[*text]
	if !known {
		f.wrong("data_period", "must be one of 100d, 200d, 365d, 1y, 2y", *text)
		return nil
	}
	return &bars
}

// predecessorWeights applies category weights and switched-off indicators to
// a built-in strategy: the job then carries a document of its own.
func (s *Server) predecessorWeights(f fields, d strategy.Document, sub *submission) strategy.Document {
	before := d.Hash()
	categories := f.object("category_weights")
	for name, weight := range map[string]*float64{
		"trend": &d.Categories.Trend, "momentum": &d.Categories.Momentum,
		"volatility": &d.Categories.Volatility, "volume": &d.Categories.Volume,
	} {
		*weight = or(categories.number(name, 0, 10), *weight)
	}
	categories.only("trend", "momentum", "volatility", "volume")
	enabled := f.object("enabled_indicators")
	weights := predecessorIndicators(&d.Indicators)
	names := make([]string, 0, len(weights))
	for name, weight := range weights {
		names = append(names, name)
		if !or(enabled.flag(name), true) {
			*weight = 0
		}
	}
	enabled.only(names...)
	if d.Hash() == before {
		return d
	}
	d.Name += "_custom"
	d.Title += " (custom)"
	if err := d.Validate(); err != nil {
		f.wrong("category_weights", "make no valid strategy: "+capped(err.Error()), "")
		return d
	}
	sub.Strategy = d.Canonical()
	return d
}

// predecessorIndicators are the weights by its names of the indicators.
func predecessorIndicators(i *strategy.Indicators) map[string]*float64 {
	return map[string]*float64{
		"rsi": &i.RSI.Weight, "macd": &i.MACD.Weight, "adx": &i.ADX.Weight, "parabolic_sar": &i.PSAR.Weight,
		"ema_crossover": &i.EMA.Weight, "stochastic": &i.Stochastic.Weight, "cci": &i.CCI.Weight,
		"williams_r": &i.Williams.Weight, "atr": &i.ATR.Weight, "bollinger_bands": &i.Bollinger.Weight,
		"obv": &i.OBV.Weight, "cmf": &i.CMF.Weight,
	}
}

// predecessorProgress is GET /api/all-stocks/progress: the newest active jobs
// and a few that ended within the hour.
func (s *Server) predecessorProgress(c *fiber.Ctx) error {
	if err := s.begin(c); err != nil {
		return err
	}
	ctx := c.UserContext()
	active, err := s.config.Reader.Jobs(ctx, store.JobsQuery{Active: true, Limit: predecessorActive})
	if err != nil {
		return fmt.Errorf("listing active jobs: %w", err)
	}
	newest, err := s.config.Reader.Jobs(ctx, store.JobsQuery{Limit: predecessorActive + predecessorEnded})
	if err != nil {
		return fmt.Errorf("listing jobs: %w", err)
	}
	now := s.config.Clock()
	// Backtests are none of the predecessor's jobs.
	running := slices.DeleteFunc(active.Items, isBacktest)
	listed, ended := running, 0
	for _, v := range slices.DeleteFunc(newest.Items, isBacktest) {
		if v.Progress.Status.Ended() && now.Sub(v.Progress.CompletedAt) < predecessorEndedFor && ended < predecessorEnded {
			listed = append(listed, v)
			ended++
		}
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return sendJSON(c, toPredecessorProgress(listed, len(running), now))
}

func isBacktest(v store.JobView) bool { return v.Kind == events.KindBacktest }

// predecessorHistory is GET /api/analysis-history/{symbol}: the documented
// example, field for field.
func (s *Server) predecessorHistory(c *fiber.Ctx) error {
	name, page, err := s.predecessorResults(c, "symbol")
	if err != nil {
		return err
	}
	answer := predecessorHistory{Symbol: ticker.Symbol(name), History: make([]predecessorHistoryItem, 0, len(page.Items))}
	for _, r := range page.Items {
		answer.History = append(answer.History, toPredecessorHistoryItem(r))
	}
	return sendJSON(c, answer)
}

// predecessorAnalysisHistory is GET /api/analysis/history/{ticker}: with
// levels, size and indicators.
func (s *Server) predecessorAnalysisHistory(c *fiber.Ctx) error {
	name, page, err := s.predecessorResults(c, "ticker")
	if err != nil {
		return err
	}
	answer := predecessorAnalyses{Ticker: name, History: make([]predecessorAnalysis, 0, len(page.Items))}
	for _, r := range page.Items {
		answer.Ticker = r.Ticker
		indicators, err := s.config.Reader.Indicators(c.UserContext(), r.Seq)
		if err != nil {
			return fmt.Errorf("reading the indicators of a result: %w", err)
		}
		answer.History = append(answer.History, toPredecessorAnalysis(r, indicators))
	}
	return sendJSON(c, answer)
}

// predecessorResults reads the results of the symbol that a path parameter
// names; name is its ticker.
func (s *Server) predecessorResults(c *fiber.Ctx, param string) (name string, page store.Page[store.Result], err error) {
	if err = s.begin(c); err != nil {
		return "", page, err
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	symbol, err := pathParam(c, param)
	if err != nil {
		return "", page, err
	}
	if name, err = ticker.FromSymbol(symbol); err != nil {
		return "", page, badQuery("path."+param, reasonOf(err), symbol)
	}
	page, err = s.historyOf(c, param, store.HistoryQuery{Limit: historyPage}, ticker.FromSymbol, ticker.Parse)
	return name, page, err
}
