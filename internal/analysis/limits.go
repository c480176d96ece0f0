package analysis

const (
	// MaxCapital keeps sizes and amounts within what a float64 holds exactly to
	// the cent: far above any portfolio in any currency.
	MaxCapital = 1e12

	// MaxRiskReward bounds the target that a job may ask for; beyond ten times
	// the risk no target of a daily chart is met.
	MaxRiskReward = 10

	// maxSize is the largest position in shares: every whole number below it is
	// exact in a float64. Only prices near market.MinPrice reach it.
	maxSize = 1 << 53

	// negligible is the part of the price (or of the sum of both sides) below
	// which a difference is float noise and not a signal: a flat price must not vote.
	negligible = 1e-9

	// onTick is the part of a tick within which a price is on it: far above float
	// noise, far below what anyone quotes.
	onTick = 1e-6

	// singleNoise is the part of a price that a provider's single-precision numbers
	// leave in doubt (3238.300049 for 3238.30): to round that away is no adjustment.
	singleNoise = 1e-7

	// tickNoise is the part of a tick up to which a change of a price goes unlisted:
	// far below the half that rounding to the nearest tick takes at most.
	tickNoise = 0.01

	// yearsOfExtremes is how far back, in years, the 52-week extremes look.
	yearsOfExtremes = 1
)
