package synthetic

import "time"

// firstDay is the date of every ticker's first bar, a Monday. It is part of
// the series: moving it changes all of them.
var firstDay = time.Date(2023, 1, 2, 0, 0, 0, 0, time.UTC)

// DefaultLastDay is the date of the last bar unless Config says otherwise: a
// Friday, 1,000 weekdays into the history. It is fixed, not yesterday's, so
// that a run today and one next year give the same answer.
var DefaultLastDay = time.Date(2026, 10, 30, 0, 0, 0, 0, time.UTC)

// maxBars is the longest history. Generating it costs about 20 ns a bar each
// time that a ticker is asked for.
const maxBars = 10_000

// The range of closes; opens, highs and lows may stand a little outside.
const (
	lowestClose  = 50
	highestClose = 5000
)
