package analyzer

import (
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/analysis"
)

const dayLayout = "2006-01-02"

// wireReport is the one place where an analysis' report becomes the event's.
func wireReport(r analysis.Report, notes []string) events.Report {
	report := events.Report{
		TradingDay: day(r.TradingDay),
		Verdict:    events.Verdict(r.Verdict),
		Score:      r.Score,
		Coverage:   r.Coverage,
		Regime:     r.Regime,
		Warnings:   clean(r.Warnings),
		Plan:       events.Plan(r.Plan),
		Numbers:    events.Numbers(r.Numbers),
		Indicators: make([]events.Indicator, len(r.Indicators)),
		Lineage:    wireLineage(r.Lineage, notes),
	}
	for i, in := range r.Indicators {
		report.Indicators[i] = events.Indicator{
			Name:           in.Name,
			Category:       in.Category,
			Available:      in.Available,
			NeedBars:       in.NeedBars,
			Values:         in.Values,
			Vote:           in.Vote,
			Certainty:      in.Certainty,
			Weight:         in.Weight,
			StrategyWeight: in.StrategyWeight,
			Contribution:   in.Contribution,
			Note:           in.Note,
		}
	}
	return report
}

// wireLineage takes the notes of the series itself: they say how it came
// about, not how it was read.
func wireLineage(l analysis.Lineage, notes []string) events.Lineage {
	return events.Lineage{
		Provider:   l.Provider,
		Synthetic:  l.Synthetic,
		Adjustment: string(l.Adjustment),
		Currency:   l.Currency,
		Bars:       l.Bars,
		FirstBar:   day(l.FirstBar),
		LastBar:    day(l.LastBar),
		Warnings:   clean(l.Warnings),
		Notes:      clean(notes),
	}
}

func day(t time.Time) string { return t.Format(dayLayout) }

// clean makes texts that may hold a provider's words fit for an event.
func clean(texts []string) []string {
	list := make([]string, len(texts))
	for i, text := range texts {
		list[i] = events.CleanText(text)
	}
	return list
}
