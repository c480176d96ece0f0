package csvdir

import "time"

const (
	// maxFileBytes is the largest TICKER.csv: 50,000 rows of seven long
	// numbers fit, and a wrong file in the folder cannot fill the memory.
	maxFileBytes = 8 << 20
	// maxRows is the most bars of one file: 190 years of sessions.
	maxRows = 50_000
	// maxSettingsBytes is the largest market.json, which holds two words.
	maxSettingsBytes = 64 << 10
	// maxFiles is the most entries of the folder that Tickers looks at; the
	// largest exchanges list fewer than 10,000 tickers.
	maxFiles = 50_000
	// maxCachedBars bounds the memory of parsed files: 64 bytes a bar, so
	// 64 MB, or 1,000 tickers of four years.
	maxCachedBars = 1_000_000
	// settleTime is how long after a file's change what was read of it is not
	// yet trusted: a second change within the clock tick of the file system
	// (2 s on FAT) would leave size and time as they are.
	settleTime = 2 * time.Second
)
