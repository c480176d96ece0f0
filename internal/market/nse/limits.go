package nse

import "time"

const (
	// DefaultHistory is how many of the archive's newest sessions are served
	// unless Config says otherwise: four years, which is a backtest of three
	// with its warm-up. Each costs about 0.1 MB once it has been read.
	DefaultHistory = 1000
	// MaxHistory is the most sessions that may be served: twenty years.
	MaxHistory = 5000
	// DefaultMinRows is how many shares a downloaded day must hold to enter the
	// archive: the exchange has traded more than 1,300 a day since 2010, and a
	// torn or foreign file holds far fewer.
	DefaultMinRows = 1000
	// maxBadShare is the share of unreadable rows above which a downloaded
	// file is garbage and not a day with a few faults.
	maxBadShare = 0.01

	// maxFileBytes is the largest daily file, unpacked: the real ones stand
	// near 1 MB, and an archive that unpacks without end cannot fill the memory.
	maxFileBytes = 32 << 20
	// maxRows is the most shares of one day; the exchange lists about 3,000.
	maxRows = 60_000
	// maxSymbols is how many different symbols an archive may have: the exchange
	// has listed fewer than 10,000 in twenty years.
	maxSymbols = 100_000
	// maxBadRows is how many unreadable rows a day may have and be more than garbage.
	maxBadRows = 1000
	// maxFiles is the most entries of the folder that are looked at: more than
	// a century of sessions.
	maxFiles = 50_000
	// maxActionBytes is the largest file of corporate actions; the exchange's
	// own for a year stands near 500 kB.
	maxActionBytes = 16 << 20

	// relistEvery is how often the folder is listed although its own time has
	// not changed: a file rewritten in place does not change it.
	relistEvery = 5 * time.Second
	// recentDays is how many of the newest days say which symbols there are:
	// hardly traded ones have no row on every day.
	recentDays = 5
	// maxBehind is how many sessions before the newest a symbol may have been traded
	// last; a share that nobody trades for two weeks has no price to judge.
	maxBehind = 10
	// slackSessions is how many sessions more than the bars asked for are
	// fetched: holidays that the calendar did not know, and dropped ghosts.
	slackSessions = 10
	// maxHole is how many sessions in a row may lack a file before the history
	// ends there: what is older belongs to another market.
	maxHole = 20
	// ghostShare is the share of a day's rows that must repeat the day before
	// for the day to be a ghost: all prices and the volume, or its close with no
	// volume at all. On a real session fewer than one share in a hundred does.
	ghostShare = 0.95
	// skipShare is the share of a day's previous closes that must not be the
	// closes of the file before for a session between them to be missing: a
	// session moves three shares in four, corporate actions one in a hundred.
	skipShare = 0.3
	// wholeShare is the share of the day before's shares that a whole file has at
	// least: from one session to the next their number changes by a few in a hundred.
	wholeShare = 0.7
	// fewRows is how many shares both days must have for any of these to be said.
	fewRows = 5

	// publishDelay is how long after a session's close its file is not asked
	// for: the exchange publishes it two to three hours after.
	publishDelay = 150 * time.Minute
	// aheadOfUTC is how far the exchange's clock is ahead of UTC, all year.
	aheadOfUTC = 5*time.Hour + 30*time.Minute
	// pendingEvery is how often a file is asked for that is not published yet.
	pendingEvery = 15 * time.Minute
	// recentSessions is how many of the newest sessions may be late: a missing
	// file of an older one means that there was no session, if a newer one has a
	// file. Files have come a day late.
	recentSessions = 3
	// maxAbsentRun is how many sessions in a row may have no file, and how many of
	// the newest: the longest unplanned closure of the exchange was shorter.
	maxAbsentRun = 5
	// skippedEvery is how long after the exchange's first answer a date is asked for
	// again whose session took place by the previous closes of the day after; it
	// doubles with each answer up to maxSkippedEvery: the file may never come.
	skippedEvery    = 15 * time.Minute
	maxSkippedEvery = 24 * time.Hour
	// maxNoteBytes is as much of a note as is read.
	maxNoteBytes = 512
	// shownFailures is how many errors Update returns: they are mostly one.
	shownFailures = 3
	// concurrentFetches is how many files are fetched at a time: politeness is
	// the limiter's, this hides the server's latency behind it.
	concurrentFetches = 3
	// fetchTries is how often one file is asked for before it has failed.
	fetchTries = 4
	// retryBase and retryMax bound the wait between those tries; it doubles,
	// with jitter.
	retryBase = 500 * time.Millisecond
	retryMax  = 8 * time.Second
	// requestTime is how long one answer may take: a file of 200 kB, slowly.
	requestTime = 30 * time.Second
	// maxAnswerBytes is the largest answer that is read; real ones stand near 200 kB.
	maxAnswerBytes = 8 << 20
	// failureHold is how long a file that could not be had is not asked for
	// again: thousands of tickers wait for the same one.
	failureHold = 20 * time.Second
	// partAge is how old an unfinished file is that no process writes any more:
	// writing one takes seconds.
	partAge = time.Hour
	// refusedPause is how long everybody who shares the limiter stays away
	// after a 429 that does not say how long; it doubles with each refusal of a
	// request that went out after a pause.
	refusedPause = time.Minute
	// maxRefusedPause is the longest pause that a Retry-After header may ask for,
	// and the longest that a caller is told to stay away.
	maxRefusedPause = 15 * time.Minute
	// breakerFailures is how many answers in a row must fail for the server to
	// be left alone, and breakerTime for how long.
	breakerFailures = 8
	breakerTime     = time.Minute
	// restTime is how long an Update waits for a server that is left alone: as
	// long as that lasts, and a moment more. maxRests is how often it does so in
	// a row without a day that is settled: what lasts longer is for its caller to
	// wait for.
	restTime = breakerTime + time.Second
	maxRests = 3
)
