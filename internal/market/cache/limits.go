package cache

import "time"

const (
	// DefaultSettle is the longest that the providers here need after a close:
	// Yahoo's, whose quotes are late and whose volumes change for half an hour.
	DefaultSettle = 30 * time.Minute
	// DefaultMemoryBytes holds the 400 bars of 6,000 to 10,000 tickers, encoded.
	DefaultMemoryBytes = 64 << 20
	// entryOverhead is what an entry in memory costs beside its bytes: the map,
	// the list and the slice's header.
	entryOverhead = 256
	// lateTime is how long a series is kept that lacks the newest session: one
	// request in this time for a suspended share, and at most this late for
	// all others.
	lateTime = 15 * time.Minute
	// unknownTime is how long a series of an exchange without a calendar is kept,
	// at most: it may close within the hour.
	unknownTime = time.Hour
	// MaxStored is the largest entry for the shared store, whose messages may
	// have 900 KiB: far above 20,000 bars. A larger one stays in memory alone.
	MaxStored = 900 << 10
	// maxPlain is the largest series that is decoded: 200,000 bars.
	maxPlain = 10 << 20
	// storeTime bounds one call of the store: it answers in a millisecond, or
	// asking the provider is quicker.
	storeTime = 2 * time.Second
	// storeRest is how long a failed store is left alone.
	storeRest = 5 * time.Second

	// DefaultFilesBytes is what the files of the embedded mode may take: as
	// much as the cluster's bucket.
	DefaultFilesBytes = 512 << 20
)
