// Package analysis turns the bars of one ticker and a strategy into a report:
// thirteen indicators that vote, a score, a verdict and a plan. It is pure: no
// clock, random, cache or I/O, so the same input always gives the same report.
package analysis

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

// What Analyze refuses; each is wrapped with the particulars.
var (
	// ErrShortHistory: fewer bars than the strategy's MinBars; the text says how
	// many there are and how many are needed.
	ErrShortHistory = errors.New("short history")
	// ErrBadData: a bar is invalid; market.Validate's error is wrapped too.
	ErrBadData = errors.New("bad data")
	// ErrParameters: the strategy or the parameters are invalid; the text names each.
	ErrParameters = errors.New("invalid parameters")
)

// Params are a job's own numbers. All are required; defaults are resolved when
// a job is submitted.
type Params struct {
	Capital              float64 // in the ticker's currency, above 0, at most MaxCapital
	RiskPercent          float64 // what a trade may lose, in percent of Capital, above 0, at most 100
	PositionLimitPercent float64 // what a position may take, in percent of Capital, above 0, at most 100
	MinRiskReward        float64 // least reward per unit of risk, 0..MaxRiskReward; 0 asks for none
}

// Validate reports, wrapped in ErrParameters, every parameter out of its range.
func (p Params) Validate() error {
	var wrong []string
	need := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	need(p.Capital > 0 && p.Capital <= MaxCapital, "capital must be above 0 and at most %v, is %v", float64(MaxCapital), p.Capital)
	need(p.RiskPercent > 0 && p.RiskPercent <= 100, "risk percent must be above 0 and at most 100, is %v", p.RiskPercent)
	need(p.PositionLimitPercent > 0 && p.PositionLimitPercent <= 100,
		"position limit percent must be above 0 and at most 100, is %v", p.PositionLimitPercent)
	need(p.MinRiskReward >= 0 && p.MinRiskReward <= MaxRiskReward,
		"minimum risk:reward must be from 0 to %v, is %v", float64(MaxRiskReward), p.MinRiskReward)
	if len(wrong) > 0 {
		return fmt.Errorf("%w: %s", ErrParameters, strings.Join(wrong, "; "))
	}
	return nil
}

// Analyze returns the report on series, as of its last bar, by the strategy
// doc. It fails with ErrParameters, ErrShortHistory or ErrBadData. It changes
// nothing that it is given, and the report shares no memory with it.
func Analyze(series market.Series, doc strategy.Document, p Params) (Report, error) {
	if err := check(series, doc, p); err != nil {
		return Report{}, err
	}
	exchange := ticker.ExchangeOf(series.Ticker)
	c := columnsOf(series.Bars)
	indicators := listen(c, doc)
	t := count(indicators)
	verdict, warnings := decide(t, doc)

	last := series.Bars[len(series.Bars)-1]
	report := Report{
		Ticker:     series.Ticker,
		TradingDay: last.Date,
		Score:      t.score,
		Coverage:   t.coverage,
		Conviction: t.conviction,
		Verdict:    verdict,
		Regime:     regime(indicators, c.undirected(doc.Indicators.ADX.Period)),
		Numbers:    numbers(series.Bars, c),
		Indicators: indicators,
		Lineage:    LineageOf(series),
	}
	low, high, spanned := c.extremes(doc.Risk.Stop.Lookback)
	plan, impossible := draft(sideOf(verdict), levelsInput{
		close: last.Close, atr: atr(c, doc), low: low, high: high, spanned: spanned,
		tickAt: exchange.TickAt, risk: doc.Risk, minRiskReward: p.MinRiskReward,
	})
	if impossible != "" {
		warnings = append(warnings, impossible)
	}
	if plan.Side != SideNone {
		plan.size(p)
		if plan.Size == 0 {
			warnings = append(warnings, fmt.Sprintf("size 0: the risk of %s or the position limit allows no whole share", percent(p.RiskPercent)))
		}
	}
	report.Plan = plan
	report.Warnings = append(warnings, contradictions(report, t)...)
	return report, nil
}

// check refuses what cannot be analysed.
func check(series market.Series, doc strategy.Document, p Params) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if err := doc.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrParameters, err)
	}
	if have, need := len(series.Bars), doc.MinBars; have < need {
		return fmt.Errorf("%w: %d bars, %d needed", ErrShortHistory, have, need)
	}
	if _, err := market.Validate(series.Ticker, series.Bars); err != nil {
		return fmt.Errorf("%w: %w", ErrBadData, err)
	}
	return nil
}
