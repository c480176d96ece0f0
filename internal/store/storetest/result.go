package storetest

import (
	"fmt"
	"math"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

// result adds a result with its indicators and day.
func (g *generator) result(c *store.Changes, j *runningJob, d store.Detail) {
	score := math.Round(g.rand.Float64()*2000-1000) / 1000
	r := store.Result{
		JobID: d.JobID, Ticker: d.Ticker, Seq: d.Seq, RecordedAt: g.at(), Origin: j.Origin,
		StrategyName: j.StrategyName, StrategyHash: j.StrategyHash,
		TradingDay: firstDay().AddDate(0, 0, j.number/2).Format("2006-01-02"),
		Verdict:    verdict(score), Score: score, Coverage: 0.9, Regime: "trending",
		Warnings: []string{}, Attempts: d.Attempts, StartedAt: d.StartedAt, CompletedAt: d.CompletedAt,
		Plan:    events.Plan{Side: "none", Adjustments: []string{}},
		Lineage: events.Lineage{Provider: "csv", Adjustment: "split", Currency: "INR", Bars: 250, FirstBar: "2025-11-03", LastBar: "2026-11-02", Warnings: []string{}, Notes: []string{}},
	}
	if j.number%3 == 0 {
		r.Lineage.Synthetic, r.Lineage.Provider = true, "synthetic"
	}
	if r.Verdict != events.Hold {
		entry := 100 + g.rand.Float64()*900
		r.Plan = events.Plan{Side: "buy", Entry: entry, Stop: entry * 0.95, Target: entry * 1.1, RiskReward: 2,
			Size: 1 + g.rand.Int64N(1000), RiskAmount: entry * 0.05, Value: entry * 10,
			Adjustments: []string{"the target was moved"}}
		r.Warnings = []string{"few bars", "volume is 0 — a holiday?"}
		r.Lineage.Warnings = []string{"row 17: a gap"}
		r.Lineage.Notes = []string{"split 2:1 taken out"}
	}
	for i, number := range store.NumberFields(&r.Numbers) {
		if g.rand.IntN(10) > 0 {
			value := g.rand.NormFloat64() * math.Pow(10, float64(i%7))
			*number = &value
		}
	}
	c.Results = append(c.Results, r)
	c.Indicators = append(c.Indicators, store.Indicators{Seq: r.Seq, Data: mustEncode(g.indicators())})
	c.Days = append(c.Days, store.Day{Ticker: r.Ticker, StrategyHash: r.StrategyHash, Class: ClassOf(r),
		TradingDay: r.TradingDay, ResultSeq: r.Seq})
}

// ClassOf is the provider class of a result.
func ClassOf(r store.Result) string {
	if r.Lineage.Synthetic {
		return store.ClassSynthetic
	}
	return store.ClassReal
}

func verdict(score float64) events.Verdict {
	switch {
	case score >= 0.6:
		return events.StrongBuy
	case score >= 0.2:
		return events.Buy
	case score <= -0.6:
		return events.StrongSell
	case score <= -0.2:
		return events.Sell
	}
	return events.Hold
}

// indicators makes twelve, about as large as real ones.
func (g *generator) indicators() []events.Indicator {
	list := make([]events.Indicator, 12)
	for i := range list {
		list[i] = events.Indicator{
			Name: fmt.Sprintf("indicator_%d", i), Category: []string{"trend", "momentum", "volatility", "volume"}[i%4],
			Available: true, Vote: g.rand.IntN(3) - 1, Certainty: g.rand.Float64(), Weight: g.rand.Float64(),
			StrategyWeight: 0.9, Contribution: g.rand.Float64() - 0.5,
			Values: map[string]float64{"value": g.rand.NormFloat64() * 100, "signal": g.rand.NormFloat64(), "upper": g.rand.Float64() * 1000},
			Note:   "above its mean for 5 bars",
		}
	}
	return list
}

func mustEncode(list []events.Indicator) []byte {
	data, err := store.EncodeIndicators(list)
	if err != nil {
		panic(err) // finite numbers always encode
	}
	return data
}
