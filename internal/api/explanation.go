package api

import (
	"fmt"
	"math"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/number"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// An explanationJSON is a result with everything that it follows from. It is
// worked out from what was recorded, by the strategy document that the job
// carried; nothing is analysed again.
type explanationJSON struct {
	resultJSON
	StrategyTitle string             `json:"strategy_title"`
	Indicators    []events.Indicator `json:"indicators"` // all of them, in the order of the analysis
	Arithmetic    arithmeticJSON     `json:"arithmetic"`
	Decision      decisionJSON       `json:"decision"`
	Sizing        *sizingJSON        `json:"sizing"` // null where the plan is no order
	Links         map[string]string  `json:"links"`
	AsOfSeq       uint64             `json:"as_of_seq"`
}

// arithmeticJSON is the score as a sum: each indicator's contribution is vote x
// weight x strategy_weight / total_weight, and all of them add up to the score.
type arithmeticJSON struct {
	VotesSum    float64        `json:"votes_sum"`    // sum of vote x weight x strategy_weight
	TotalWeight float64        `json:"total_weight"` // sum of weight x strategy_weight
	Sum         float64        `json:"sum"`          // of the contributions
	Score       float64        `json:"score"`
	Categories  []categoryJSON `json:"categories"`
}

// categoryJSON is the share of one group of indicators in the score.
type categoryJSON struct {
	Category     string  `json:"category"`
	Contribution float64 `json:"contribution"`
	Buying       int     `json:"buying"`  // indicators that vote so with a weight
	Selling      int     `json:"selling"` // the same
	Indicators   int     `json:"indicators"`
}

// decisionJSON is how the score became the verdict.
type decisionJSON struct {
	Verdict    events.Verdict      `json:"verdict"`
	ByScore    events.Verdict      `json:"by_score"`  // what the thresholds alone say
	HeldBack   bool                `json:"held_back"` // the quorum made a Strong verdict a plain one, or any a Hold
	Thresholds strategy.Thresholds `json:"thresholds"`
	Quorum     strategy.Quorum     `json:"quorum"`     // what a Strong verdict needs, and of conviction each but Hold
	Coverage   float64             `json:"coverage"`   // share of the strategy's weight that had enough bars
	Conviction float64             `json:"conviction"` // share of the strategy's whole weight that votes
	Agreeing   int                 `json:"agreeing"`   // indicators that vote for the side of by_score, of the score if that is Hold
	Missing    []string            `json:"missing"`    // weighted indicators without enough bars
	Regime     string              `json:"regime"`
}

// sizingJSON is how many shares the capital, the risk and the limit allow.
type sizingJSON struct {
	Capital              float64 `json:"capital"`
	RiskPercent          float64 `json:"risk_percent"`
	MayLose              float64 `json:"may_lose"`       // capital x risk_percent
	RiskPerShare         float64 `json:"risk_per_share"` // |entry - stop|
	SharesByRisk         int64   `json:"shares_by_risk"` // may_lose / risk_per_share, rounded down
	PositionLimitPercent float64 `json:"position_limit_percent"`
	MayTake              float64 `json:"may_take"`           // capital x position_limit_percent
	SharesByPosition     int64   `json:"shares_by_position"` // may_take / entry, rounded down
	MinRiskReward        float64 `json:"min_risk_reward"`
	BoundBy              string  `json:"bound_by"` // risk or position: what allows fewer shares
}

// explain works out how a result came about.
func explain(r store.Result, job store.Job, indicators []events.Indicator) (explanationJSON, error) {
	document, err := strategy.Parse(job.Strategy)
	if err != nil {
		return explanationJSON{}, fmt.Errorf("reading the strategy of job %s: %w", job.ID, err)
	}
	e := explanationJSON{
		resultJSON: toResult(r), StrategyTitle: document.Title, Indicators: list(indicators),
		Arithmetic: addUp(r, indicators), Decision: decided(r, document, indicators),
		Links: map[string]string{"self": explainPath(r), "job": jobPath(r.JobID)},
	}
	if r.Plan.Side != "none" {
		e.Sizing = sized(r, job)
	}
	return e, nil
}

// addUp shows the score as the sum of what each indicator and category adds.
func addUp(r store.Result, indicators []events.Indicator) arithmeticJSON {
	sum := arithmeticJSON{Score: r.Score, Categories: []categoryJSON{}}
	at := map[string]int{}
	for _, one := range indicators {
		pull := one.Weight * one.StrategyWeight
		sum.TotalWeight += pull
		sum.VotesSum += float64(one.Vote) * pull
		sum.Sum += one.Contribution
		i, known := at[one.Category]
		if !known {
			i = len(sum.Categories)
			at[one.Category] = i
			sum.Categories = append(sum.Categories, categoryJSON{Category: one.Category})
		}
		category := &sum.Categories[i]
		category.Contribution += one.Contribution
		category.Indicators++
		switch {
		case pull > 0 && one.Vote > 0:
			category.Buying++
		case pull > 0 && one.Vote < 0:
			category.Selling++
		}
	}
	return sum
}

// decided shows how the score became the verdict.
func decided(r store.Result, document strategy.Document, indicators []events.Indicator) decisionJSON {
	d := decisionJSON{
		Verdict: r.Verdict, ByScore: byScore(r.Score, document.Thresholds), Thresholds: document.Thresholds,
		Quorum: document.Quorum, Coverage: r.Coverage, Missing: []string{}, Regime: r.Regime,
	}
	buying, selling, voting, whole := 0, 0, 0.0, 0.0
	for _, one := range indicators {
		counts := one.Weight*one.StrategyWeight > 0
		voting += one.Weight * one.StrategyWeight
		whole += one.StrategyWeight
		switch {
		case counts && one.Vote > 0:
			buying++
		case counts && one.Vote < 0:
			selling++
		case !one.Available && one.StrategyWeight > 0:
			d.Missing = append(d.Missing, one.Name)
		}
	}
	if whole > 0 {
		d.Conviction = voting / whole
	}
	if d.Verdict != events.Hold && d.Conviction < d.Quorum.Conviction {
		d.Quorum.Conviction = 0 // a result of a release that asked for none, whose documents do not say
	}
	if buying+selling == 0 {
		d.ByScore = events.Hold // the analysis gives no other verdict without a vote
	}
	switch {
	case d.ByScore == events.Sell || d.ByScore == events.StrongSell, d.ByScore == events.Hold && r.Score < 0:
		d.Agreeing = selling
	default:
		d.Agreeing = buying
	}
	d.HeldBack = d.ByScore != d.Verdict
	return d
}

// byScore is the verdict that the thresholds alone give.
func byScore(score float64, t strategy.Thresholds) events.Verdict {
	return [...]events.Verdict{events.StrongSell, events.Sell, events.Hold, events.Buy, events.StrongBuy}[t.Of(score)+2]
}

// sized shows what bounds the size of a plan.
func sized(r store.Result, job store.Job) *sizingJSON {
	o, capital := job.Options, job.Capital
	s := &sizingJSON{
		Capital: capital, RiskPercent: o.RiskPercent, MayLose: capital * o.RiskPercent / 100,
		RiskPerShare: number.Apart(r.Plan.Entry, r.Plan.Stop), PositionLimitPercent: o.PositionLimitPercent,
		MayTake: math.Min(capital*o.PositionLimitPercent/100, capital), MinRiskReward: o.MinRiskReward, BoundBy: "position",
	}
	s.SharesByRisk, s.SharesByPosition = int64(number.Fits(s.MayLose, s.RiskPerShare, maxShares)), int64(number.Fits(s.MayTake, r.Plan.Entry, maxShares))
	if s.SharesByRisk <= s.SharesByPosition {
		s.BoundBy = "risk"
	}
	return s
}
