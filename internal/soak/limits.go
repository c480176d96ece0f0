package soak

import "time"

// What counts as growth. Of what a program holds, the median of the last third
// of a soak may be above that of the second by a share and by a floor below
// which nothing is growth.
const (
	growthShare = 0.10
	// growthMemory is above what the collector of a Go program lets go up and down.
	growthMemory = 16 << 20
	// growthDescriptors is above the connections that come and go with a job.
	growthDescriptors = 8
	// growthGoroutines is a job's in hand more or less.
	growthGoroutines = 20
	// growthLag is how many events more the recorder may be behind: what is
	// submitted in some seconds.
	growthLag = 500
	// coarseFactor is by how much the floors are higher in a soak shorter than
	// Short, in which a job of 500 tickers fills every slot of an analyzer for a third
	// of the time.
	coarseFactor = 16
	// growthTapeBytes and growthDatabaseBytes are per event: what another mix of
	// jobs makes of it, and what a database has of room that it did not fill yet.
	growthTapeBytes     = 100
	growthDatabaseBytes = 1000
	// natsPerEvent is what nats-server may hold in memory for each event on the
	// tape, in bytes: its index of subjects, two to four times over.
	natsPerEvent = 1200
)

const (
	// Short is the length below which a soak only finds what grows fast.
	Short = 5 * time.Minute
	// DefaultSamples is how many samples a soak takes: forty in each third make
	// the median of one steady.
	DefaultSamples = 120
	// FewestSamples make three thirds; fewer tell nothing of growth.
	FewestSamples = 3
	// shortestPause is the least time between two samples: more often they would
	// show themselves.
	shortestPause = 100 * time.Millisecond
	// scrapeTime is how long one sample may take: the api waits for the tape and
	// the database for 2 s.
	scrapeTime = 10 * time.Second
	// maxMissed is the share of samples that may be missed before the rest no
	// longer tells anything.
	maxMissed = 0.10
	// maxMetricsBytes bounds what is read of one process's metrics: they have some 20 KiB.
	maxMetricsBytes = 4 << 20
	// keptWrongs is how many sentences about what went wrong are kept; all are counted.
	keptWrongs = 20
)

const (
	// usualRate is how many tickers are submitted per second: enough that what
	// leaks shows within an hour, and so few that a machine with two processors is
	// idle for the most part, and a lag is one.
	usualRate = 100
	// mostTickers is how many there are at most where no rate was asked for. With
	// what belongs to each of them a tape grows by 6 KiB, and these are half of the
	// 8 GiB that it has: more time makes fewer per second.
	mostTickers = 700_000
	// workers is how many jobs are in hand at a time.
	workers = 8
	// answerTime is how long a request may be refused or unanswered before it is wrong.
	answerTime = time.Minute
	// jobTime is how long a job may take after it was accepted: far above the 35 s
	// after which lost work is done again.
	jobTime = 5 * time.Minute
	// askEvery is the pause between two looks at a job that is not followed, and
	// before a refused request is sent again.
	askEvery = 200 * time.Millisecond
)
