package calendar

const (
	// MaxOverrideDays is the most days that one file of overrides may hold: four
	// exchanges with 20 days a year for a century. More is a wrong file.
	MaxOverrideDays = 8000

	// maxLineBytes is the longest line of such a file; a name of a holiday needs
	// a tenth of it.
	maxLineBytes = 1024

	// maxGapDays is how far from an instant the nearest session close is looked
	// for. The longest closure since 1900 lasted four months (NYSE in 1914); only
	// a file of overrides that closes everything goes beyond.
	maxGapDays = 400

	// firstYear and lastYear bound what Sessions lists and ParseDays takes, so that
	// a year that someone mistyped costs milliseconds and not memory.
	firstYear, lastYear = 1900, 2199
)
