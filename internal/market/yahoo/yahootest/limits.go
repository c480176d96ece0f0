package yahootest

import "time"

const (
	// firstYear is at whose start every invented history begins, unless Config
	// says otherwise: ten years, as most tickers have.
	firstYear = 2016

	// lateness is how long after the close Yahoo still shows the day as a live
	// row, stamped with the close; afterwards it is stamped with the open.
	lateness = 3 * time.Hour
	// hangTime ends a hang whose client does not leave, so that no test waits for ever.
	hangTime = time.Minute

	// dailyRange is how far a day's close is from the day before's at most, and
	// its high and low from both.
	dailyRange = 0.02
	// startPrice is about where a walk begins.
	startPrice = 500
)
