package ticker

import (
	"math"
	"strings"
)

// An Exchange is what is known of where a ticker trades. The zero value means
// unknown: prices are then not rounded and the currency is the provider's.
type Exchange struct {
	MIC      string // ISO 10383 code; "XNYS" for the US composite, whose calendar it is
	Name     string // for people: "NSE", "BSE", "US"
	Currency string // ISO 4217
}

// ExchangeOf returns the exchange of a canonical ticker, by its suffix: ".NS"
// NSE, ".BO" BSE, none the US composite, whose classes of shares are ".A" and
// ".B" (BRK.B) as well as "-A" and "-B". Any other suffix, an index (^GSPC), a
// currency pair (USDINR=X, EUR/USD) or a coin (BTC-USD, ETH-EUR) is unknown.
//
// Which of the US exchanges lists a ticker cannot be told from its name: XNYS
// stands for all of them. NYSE and NASDAQ share sessions, currency and ticks.
func ExchangeOf(ticker string) Exchange {
	switch {
	case strings.HasPrefix(ticker, "^"), strings.ContainsAny(ticker, "=/"), isCoin(ticker):
		return Exchange{}
	case strings.HasSuffix(ticker, ".NS"):
		return Exchange{MIC: "XNSE", Name: "NSE", Currency: "INR"}
	case strings.HasSuffix(ticker, ".BO"):
		return Exchange{MIC: "XBOM", Name: "BSE", Currency: "INR"}
	case !strings.Contains(withoutClass(ticker), "."):
		return Exchange{MIC: "XNYS", Name: "US", Currency: "USD"}
	}
	return Exchange{}
}

// withoutClass is a ticker without the mark of a class of US shares.
func withoutClass(ticker string) string {
	name, class, _ := strings.Cut(ticker, ".")
	if name == "" || class != "A" && class != "B" {
		return ticker
	}
	return name
}

// isCoin reports whether ticker is a coin quoted in something, which trades at
// all hours: what follows its last hyphen is in coinQuotes. Classes and kinds of
// US shares (BRK-B, BAC-PL, SPAC-WT) have at most two letters there.
func isCoin(ticker string) bool {
	hyphen := strings.LastIndexByte(ticker, '-')
	return hyphen > 0 && strings.Contains(coinQuotes, " "+ticker[hyphen+1:]+" ") && len(ticker)-hyphen > 3
}

// coinQuotes are what coins are quoted in: currencies, and coins that stand for
// one or are traded against.
const coinQuotes = " USD EUR GBP INR JPY AUD CAD CHF CNY HKD SGD NZD KRW TWD BRL MXN ZAR TRY RUB SEK NOK DKK PLN CZK HUF ILS THB IDR PHP MYR VND " +
	"AED SAR NGN ARS CLP COP UAH PKR BTC ETH BNB USDT USDC DAI BUSD TUSD FDUSD USDE PYUSD EURC EURT "

// TickAt returns the price step at which an order at price may be placed, in
// Currency. It is 0, meaning "do not round", for an unknown exchange and for a
// price that is not a positive finite number.
//
// NSE: the bands of its circulars on the capital market segment, effective
// 2025-04-15: 0.01 below 250, 0.05 to 1,000, 0.10 to 5,000, 0.50 to 10,000, 1
// to 20,000, 5 above; each upper bound belongs to its band but the first. The
// exchange puts a security into a band by its close on the last trading day of
// a month and keeps it there for the next; here the price itself decides, so
// that a level near a bound can be one band off. For prices of before that date
// the steps are coarser than those that held then, hence multiples of them.
//
// BSE: 0.01 below 100, else NSE's steps, which are multiples of BSE's 0.05.
//
// US: 0.01 from 1 USD on, 0.0001 below (SEC, Regulation NMS, Rule 612). The
// half cent that its amendment of 2024 gives to shares with a narrow spread
// cannot be told from a price; whole cents stay legal for them.
func (e Exchange) TickAt(price float64) float64 {
	if !(price > 0) || math.IsInf(price, 1) {
		return 0
	}
	for _, band := range ticks[e.MIC] {
		if price < band.below {
			return band.tick
		}
	}
	return 0
}

// A band is the tick of the prices below a bound and not below the one before.
type band struct{ below, tick float64 }

// ticks is a constant table by MIC. A bound that the rule includes is written as
// the next float above it.
var ticks = map[string][]band{
	"XNSE": append([]band{{250, 0.01}}, indianBands...),
	"XBOM": append([]band{{100, 0.01}}, indianBands...),
	"XNYS": {{1, 0.0001}, {math.Inf(1), 0.01}},
}

// indianBands are the bands from 250 (NSE) or 100 (BSE) on. A constant table.
var indianBands = []band{
	{math.Nextafter(1000, 2000), 0.05}, {math.Nextafter(5000, 6000), 0.10}, {math.Nextafter(10000, 11000), 0.50},
	{math.Nextafter(20000, 21000), 1}, {math.Inf(1), 5},
}
