package yahoo

import (
	"errors"
	"strings"
)

var errSlash = errors.New("yahoo has no tickers with a slash; a coin is BTC-USD there, a pair of currencies EURUSD=X")

// symbolOf is Yahoo's spelling of a ticker: of its dots only that before an
// exchange's suffix stays. ".A" and ".B" are no exchange's but classes of shares.
func symbolOf(ticker string) (string, error) {
	if strings.Contains(ticker, "/") {
		return "", errSlash
	}
	dot := strings.LastIndexByte(ticker, '.')
	if dot < 0 {
		return ticker, nil
	}
	name, suffix := strings.ReplaceAll(ticker[:dot], ".", "-"), ticker[dot:]
	if suffix == ".A" || suffix == ".B" {
		suffix = "-" + suffix[1:]
	}
	return name + suffix, nil
}

// sameSymbol reports whether an answer about got answers a question about
// asked: for pairs of currencies Yahoo leaves out a leading USD as it likes.
func sameSymbol(asked, got string) bool {
	if strings.HasSuffix(asked, "=X") {
		asked, got = strings.TrimPrefix(asked, "USD"), strings.TrimPrefix(got, "USD")
	}
	return strings.EqualFold(asked, got)
}
