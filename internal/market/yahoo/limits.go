package yahoo

import "time"

// The times and limits of asking Yahoo. Those that a Config can change are
// its defaults.
const (
	// SettleTime is how long after a session's close its bar is taken as
	// final. Quotes are up to 15 minutes late, the NSE's closing session ends
	// at +30 minutes, and late reports still change the volume until then.
	// Whoever keeps series until a session's close should add it.
	SettleTime = 30 * time.Minute

	// requestTime bounds one request with its answer's body: answers take
	// below 1 s, and three tries fit into an analyzer's attempt of 60 s.
	requestTime = 12 * time.Second
	// maxTries is how often one question goes out, whatever comes back: what
	// fails three times within seconds is better asked later.
	maxTries = 3
	// maxMissing is how often a ticker must be answered as not found before
	// it is unknown: such answers have come for live tickers during faults.
	maxMissing = 2
	// retryWait is the wait before the second try; the third waits twice as
	// long. Half of it either way is left to chance, so that analyzers which
	// failed together do not return together.
	retryWait = time.Second

	// firstPause is how long everybody pauses after a 429. The refusal sticks
	// to the address for minutes, and asking on keeps it.
	firstPause = time.Minute
	// longestPause bounds the pause, which doubles with each refusal that
	// follows: the longest refusal that was reported lasted above 15 minutes.
	longestPause = 15 * time.Minute
	// longestAsked bounds a pause that Yahoo itself asks for (Retry-After).
	longestAsked = time.Hour
	// pauseTime is how long telling the limiter of a pause may take. It does
	// not end with the request's own context: the others must know.
	pauseTime = 5 * time.Second

	// breakerFailures is how many requests to one host must fail in a row, as
	// a server's faults, before no more go out: with one in twelve failing by
	// chance that is once in 10^10 requests.
	breakerFailures = 10
	// breakerTime is how long an open breaker stays so before one request may
	// probe: outages last minutes, restarts of a front end seconds.
	breakerTime = 30 * time.Second
	// probeTime is the RetryAfter of those that come while one probes.
	probeTime = 5 * time.Second

	// maxBody is the largest answer, decompressed: 99 years of bars take 4 MB.
	maxBody = 8 << 20
	// maxRows is the most bars, dividends or splits of one answer: 99 years of
	// sessions are 25,000, coins trade daily since 2010.
	maxRows = 30_000
	// maxFields is the most commas that a dividend or split takes: it has three
	// or four fields.
	maxFields = 5
	// maxExcerpt is how many characters of a text that is no answer stand in an error.
	maxExcerpt = 80
	// maxConns bounds the connections to a host: more than a rate of a few
	// requests per second needs with answers of below a second.
	maxConns = 16

	// daysPerBar and extraDays turn bars into calendar days: 245 sessions a
	// year are 1.49 days each, and a holiday week stands at either end.
	daysPerBar = 1.5
	extraDays  = 21
	// maxDays is the longest range that is asked for, 99 years, as other
	// clients of the endpoint do for everything.
	maxDays = 36_135

	// surestSplit is the smallest ratio of a split, either way, whose absence
	// from the prices can be told from a day's move.
	surestSplit = 1.2
	// splitNearness is how near, as a part of the split's own logarithm, the
	// step in prices must be to the split to be the split itself: 1.68 to
	// 2.38 for 2:1.
	splitNearness = 0.25

	// maxNamedDates is how many dates a warning names.
	maxNamedDates = 3
)
