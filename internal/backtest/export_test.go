package backtest

import (
	"slices"

	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// RunScripted is Run with the signals of a script: what to report on the evening
// of the bar at, with the capital that a live analysis would have been given.
func RunScripted(series market.Series, doc strategy.Document, p Params, script func(at int, capital float64) analysis.Report) (Result, error) {
	return runWith(series, doc, p, func(left market.Series, at int, capital float64) (analysis.Report, error) {
		before := slices.IndexFunc(series.Bars, func(b market.Bar) bool { return b.Date.Equal(left.Bars[0].Date) })
		return script(before+at, capital), nil
	})
}
