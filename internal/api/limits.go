package api

import "time"

// The limits of one request.
const (
	// bodyLimit is the longest request body: 10,000 tickers of 32 characters
	// and a strategy of 64 KiB fit twice.
	bodyLimit = 1 << 20
	// maxQueued is the longest JobQueued: the stream's messages end at 1 MiB
	// with headers, and guards and envelope need room.
	maxQueued = 900 << 10
	// maxTickers is the most tickers of one job: every listed share of India
	// and the United States together; more are two jobs.
	maxTickers = 10_000
	// maxErrors is how many wrong fields an answer names; who has more wrong
	// has sent something else.
	maxErrors = 1000
	// maxShown is the longest part of a request's text, in runes, that an
	// answer quotes: enough to recognise it.
	maxShown = 40
	// maxKey is the longest Idempotency-Key: room for any UUID or URL.
	maxKey = 255
	// maxReason is the longest reason of a cancel: a sentence.
	maxReason = 200
	// readBuffer bounds the request line and headers together.
	readBuffer = 8 << 10
)

// The ranges and defaults of a job.
const (
	maxCapital     = 1e12
	defaultCapital = 100_000
	// defaultBars covers the longest average (200) with room to settle.
	defaultBars = 400
	// maxBars is twenty years of sessions.
	maxBars          = 5000
	maxRiskPercent   = 100
	minRiskPercent   = 0.01
	maxLimitPercent  = 100
	minLimitPercent  = 0.1
	maxRiskReward    = 10
	maxShares        = 1 << 53             // every whole number below is exact in a float64
	defaultDeadline  = 72 * time.Hour      // a weekend with everything down
	longestDeadline  = 30 * 24 * time.Hour // work that nobody waits for any more
	shortestDeadline = time.Second         // clocks differ by less
)

// The ranges and defaults of a backtest.
const (
	// maxSidePercent is the most that costs or slippage may take of one side, as
	// package backtest has it.
	maxSidePercent = 10
	// defaultCostPercent is about what taxes and fees take of each side of a delivery
	// trade at the NSE through a broker without commission, 0.111 %, to one digit; a
	// job with commission says its own.
	defaultCostPercent = 0.1
	// defaultSlippagePercent is half the spread of a liquid share, and a little.
	defaultSlippagePercent = 0.05
	// defaultYears is how far back a window reaches: long enough for a rise and a
	// fall, short enough that any provider has it.
	defaultYears = 3
	// firstYear is the first that a window may lie in: no provider goes back further.
	firstYear = 1970
	// keptPools is how many equal-weight sums are kept: some 30 KiB each.
	keptPools = 16
	// maxPooled is the most sessions of all tickers together that are added up:
	// 5,000 tickers over three years, for which 200 MB are needed for a moment.
	maxPooled = 4_000_000
)

// The times.
const (
	// readTimeout is for a whole request, so a client that drips bytes is cut off.
	readTimeout = 10 * time.Second
	// writeTimeout is for a whole answer that is not a stream.
	writeTimeout = 30 * time.Second
	// idleTimeout is how long an unused connection stays open.
	idleTimeout = 60 * time.Second
	// requestTimeout bounds what a handler waits for: the tape (5 s and a
	// repeat) and the database (milliseconds).
	requestTimeout = 10 * time.Second
	// universeTimeout bounds the wait for a list that is fetched, so that time is
	// left to publish. The fetch itself goes on, and the next request finds its list.
	universeTimeout = 7 * time.Second
	// minSeqWait is the longest wait for min_seq: recording takes
	// milliseconds; who waits longer had better ask again.
	minSeqWait = 2 * time.Second
	// minSeqPoll is the pause between two looks at the checkpoint.
	minSeqPoll = 20 * time.Millisecond
	// tapeStateAge is how old the known fill of the tape may be: it grows by
	// less than the reserve of a fifth in that time.
	tapeStateAge = time.Second
	// lookTimeout is how long submissions wait for what the accepted jobs still
	// need of the tape: some milliseconds but from a database in trouble. lookAgain
	// is how long that is then not asked again.
	lookTimeout = 500 * time.Millisecond
	lookAgain   = 10 * time.Second
	// checkTimeout bounds one readiness check.
	checkTimeout = 2 * time.Second
	// StopTime is how long open requests may take to end: what the budget of a
	// stop leaves to each part.
	StopTime = 3 * time.Second
)

// The times of streams.
const (
	// heartbeatEvery shows a stream that it is alive, and shows us that the
	// client is gone: HTTP gives no other sign.
	heartbeatEvery = 10 * time.Second
	// flushTimeout ends a client that does not read.
	flushTimeout = 5 * time.Second
	// streamAge ends a stream; the client resumes with Last-Event-ID.
	streamAge = 30 * time.Minute
	// retryMillis is how long a browser waits before it resumes.
	retryMillis = 1000
)

const (
	// fullShare is the fill of the tape above which new jobs are refused, so
	// that accepted ones can finish.
	fullShare = 0.8
	// outcomeBytes is what a ticker that waits for its outcome will take of the
	// tape, headers included: 5.1 KB measured. What is promised must fit too.
	outcomeBytes = 6 << 10
	// backtestBytes is the same for a backtest: with the curve of three years and
	// its trades 50 KB were measured.
	backtestBytes = 52 << 10
	// retryAfterFull, in seconds: somebody has to raise the limit.
	retryAfterFull = 60
	// retryAfterDisk, in seconds: the embedded server goes on by itself some
	// seconds after somebody made room.
	retryAfterDisk = 10
	// unansweredAge is how long a job without an answer keeps the api from being
	// ready: after it a balancer sends the next one, which shows how things stand.
	unansweredAge = time.Minute
	// awayTimeout is for a question to a server that has just not answered: it
	// is near, and a client waits.
	awayTimeout = 500 * time.Millisecond
	// retryAfterFetch, in seconds: a failed fetch is not repeated before.
	retryAfterFetch = 120
	// retryAfterBusy, in seconds: leadership changes and restarts take that long.
	retryAfterBusy = 2
	// lagEvents is how many events the recorder may be behind before the
	// readiness check says so: some seconds of its work.
	lagEvents = 50_000
	// defaultPage is the page size when none is asked for.
	defaultPage = 100
	// historyPage is the most rows of the predecessor's histories.
	historyPage = 50
	// screenDays is how old, in calendar days, a ticker's newest day may be
	// on a screen: five sessions and a weekend.
	screenDays = 7
	// maxScreenDays is ten years.
	maxScreenDays = 3660
)

// Limits are the limits that a deployment may change. Zero means the default.
type Limits struct {
	// Concurrency is the most connections at a time; default 1,536: the
	// streams and 536 requests. It bounds the memory that bodies can take.
	Concurrency int
	// ConnectionsPerIP is the most connections of one address; default three
	// quarters of Concurrency, 1,152: every stream that there may be, and 152
	// requests, while a quarter is left to others. One more is answered 429.
	// Behind a proxy all have one address: Concurrency there lifts it.
	ConnectionsPerIP int
	// Streams is the most SSE streams at a time; default 1,000. One more is answered 503.
	Streams int
	// StreamsPerIP is the most SSE streams of one address; default 250. One more is answered 429.
	StreamsPerIP int
	// SubmitRate is how many jobs per second one address may submit in the
	// long run; default 50. More are answered 429.
	SubmitRate float64
	// SubmitBurst is how many it may submit at once; default 500.
	SubmitBurst int
	// Shutdown is how long open requests may take to end at a stop; default 5 s.
	// Streams end at once.
	Shutdown time.Duration
}

func (l Limits) withDefaults() Limits {
	if l.Concurrency == 0 {
		l.Concurrency = 1536
	}
	if l.ConnectionsPerIP == 0 {
		l.ConnectionsPerIP = max(1, l.Concurrency*3/4)
	}
	if l.Streams == 0 {
		l.Streams = 1000
	}
	if l.StreamsPerIP == 0 {
		l.StreamsPerIP = 250
	}
	if l.SubmitRate == 0 {
		l.SubmitRate = 50
	}
	if l.SubmitBurst == 0 {
		l.SubmitBurst = 500
	}
	if l.Shutdown == 0 {
		l.Shutdown = StopTime
	}
	return l
}
