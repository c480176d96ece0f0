package backtest

const (
	// MaxSidePercent is the most that commission and taxes, or slippage, may take
	// of one side of a trade: far above any exchange's, and low enough that a
	// long position can never lose more than what was put in.
	MaxSidePercent = 10

	// MaxBars is the longest window of an analysis, as for a live one.
	MaxBars = 5000

	// MaxSessions is the longest window of a backtest: 20 years of sessions,
	// seconds of work and 100 KB of curve.
	MaxSessions = 5040
)
