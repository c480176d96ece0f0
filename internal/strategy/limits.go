package strategy

// Limits of a document.
const (
	// MaxBytes is the longest document: every job carries its strategy whole, and
	// a job must fit one message of 900 KiB beside 10,000 tickers.
	MaxBytes = 64 << 10

	// MaxName keeps names fit for file names, tables and command lines.
	MaxName = 40

	// MaxTitle is one line of a page.
	MaxTitle = 80

	// MaxDescription is a page of text.
	MaxDescription = 2000

	// MaxProblems is how many wrong fields one error names; who has more wrong
	// than this has sent something else.
	MaxProblems = 50

	// MaxTokens is the most tokens of a YAML document: ten times what one with
	// every field written out needs. The parser's time grows with their square.
	MaxTokens = 4000

	// MaxDepth is how deep braces of a YAML document may nest; the format needs three.
	MaxDepth = 8

	// maxShown is the longest part of a user's text, in runes, that a problem quotes.
	maxShown = 60

	// leastThreshold is how far from 0 the score must be for a Buy or a Sell: a
	// score of 0 says nothing, and one below it is no reason to buy.
	leastThreshold = 0.01

	// votingIndicators is how many indicators can vote: all thirteen but the ATR.
	votingIndicators = 12
)
