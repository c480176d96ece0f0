package ticker

import "strings"

// An Exchange is what is known of where a ticker trades. The zero value means
// unknown: prices are then not rounded and the currency is the provider's.
type Exchange struct {
	MIC      string  // ISO 10383 code; "XNYS" for the US composite, whose calendar it is
	Name     string  // for people: "NSE", "BSE", "US"
	Currency string  // ISO 4217
	Tick     float64 // price step to which levels are rounded, in Currency
}

// ExchangeOf returns the exchange of a canonical ticker, by its suffix: ".NS"
// NSE, ".BO" BSE, none the US composite. Any other suffix, an index (^GSPC), a
// currency pair (USDINR=X, EUR/USD) or a coin (BTC-USD) is unknown.
func ExchangeOf(ticker string) Exchange {
	switch {
	case strings.HasPrefix(ticker, "^"), strings.ContainsAny(ticker, "=/"), strings.HasSuffix(ticker, "-USD"):
		return Exchange{}
	case strings.HasSuffix(ticker, ".NS"):
		return Exchange{MIC: "XNSE", Name: "NSE", Currency: "INR", Tick: 0.05}
	case strings.HasSuffix(ticker, ".BO"):
		return Exchange{MIC: "XBOM", Name: "BSE", Currency: "INR", Tick: 0.05}
	case !strings.Contains(ticker, "."):
		return Exchange{MIC: "XNYS", Name: "US", Currency: "USD", Tick: 0.01}
	}
	return Exchange{}
}
