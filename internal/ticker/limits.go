package ticker

const (
	// MaxLength is the longest ticker in characters. The longest NSE symbol has
	// 10 and a suffix; 32 leaves room for option-like names and keeps subjects short.
	MaxLength = 32

	// MaxShown is the longest part of an illegal text, in runes, that an Error
	// quotes: enough to recognise it, little enough for 10,000 of them.
	MaxShown = 40

	// maxInput is the longest text in bytes that is normalised at all: NFKC can
	// lengthen a text elevenfold, and no spelling of a ticker needs more.
	maxInput = 512
)
