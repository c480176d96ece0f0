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
	// relistEvery is how often the folder is listed for files of one size although
	// its own time has not changed: a file rewritten in place does not change it.
	relistEvery = 5 * time.Second
	// maxOfSize is how many files of one size are compared: where more have it, sizes
	// say nothing (numbers of a fixed width). Of 2,000 files of 50 kB a handful do.
	maxOfSize = 8
	// minAlike is how many bars two files must have for their being the same to say
	// something: shorter histories are analysed by hardly any strategy.
	minAlike = 20
	// settleTime is how long after a file's change what was read of it is not
	// yet trusted: a second change within the clock tick of the file system
	// (2 s on FAT) would leave size and time as they are.
	settleTime = 2 * time.Second
)
