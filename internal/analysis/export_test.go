package analysis

import (
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// A Given is a kernel's figure that a test sets: of these parameters, with these values.
type Given struct {
	Kernel             string
	Parameters, Values [3]float64
}

// VoiceOf is what an indicator says of bars of which its kernels find what is given.
func VoiceOf(name string, bars []market.Bar, doc strategy.Document, given ...Given) Indicator {
	c := columnsOf(bars)
	kernels := map[string]kernel{
		"rsi": kernelRSI, "stochastic": kernelStochastic, "cci": kernelCCI, "williams": kernelWilliams, "macd": kernelMACD, "adx": kernelADX,
		"psar": kernelSAR, "ema": kernelEMA, "supertrend": kernelSupertrend, "bollinger": kernelBollinger, "atr": kernelATR, "cmf": kernelCMF,
	}
	for _, g := range given {
		c.figures = append(c.figures, figure{kernels[g.Kernel], g.Parameters, g.Values})
	}
	return find(listen(c, doc), name)
}

// DecideOn is the verdict on a tally.
func DecideOn(score, coverage, conviction float64, buying, selling int, doc strategy.Document) (Verdict, []string) {
	return decide(tally{score: score, coverage: coverage, conviction: conviction, buying: buying, selling: selling}, doc)
}

// Contradictions is what speaks against the verdict of r, given the scores of the categories.
func Contradictions(r Report, categories map[string]float64) []string {
	return contradictions(r, tally{categories: categories})
}

// RegimeAt is the regime by an ADX.
func RegimeAt(adx float64) string {
	return regime([]Indicator{{Name: "adx", Available: true, Values: map[string]float64{"adx": adx}}}, false)
}
