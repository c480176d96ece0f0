package shared

import "time"

const (
	// contentionMin and contentionMax bound the jittered, doubling wait after
	// another process wrote first: from a round trip to what a dozen of them need.
	contentionMin = 2 * time.Millisecond
	contentionMax = 100 * time.Millisecond
	// listEvery is how often an analyzer looks whether its market lists other
	// tickers: new listings come daily.
	listEvery = time.Hour
	// listRetry is the wait after a look that failed.
	listRetry = time.Minute
	// listTime bounds one look: a provider may have to fetch its list first.
	listTime = 5 * time.Minute
)
