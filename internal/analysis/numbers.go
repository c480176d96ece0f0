package analysis

import (
	"math"

	"github.com/tapedeck/tapedeck/internal/market"
)

// numbers returns the figures of the last bar.
func numbers(bars []market.Bar, c *columns) Numbers {
	at := c.bars() - 1
	line, signal, histogram := c.macd(12, 26, 9)
	adx, _, _ := c.adx(14)
	upper, _, lower := c.bollinger(20, 2)
	k, _ := c.stochastic(14, 3, 3)
	n := Numbers{
		Close:      known(c.close[at]),
		Volume:     known(c.volume[at]),
		RSI14:      known(c.rsi(14)),
		MACD:       known(line),
		MACDSignal: known(signal),
		MACDHist:   known(histogram),
		ADX14:      known(adx),
		ATR14:      known(c.atr(14)),
		SMA20:      known(c.sma(20)),
		SMA50:      known(c.sma(50)),
		SMA200:     known(c.sma(200)),
		EMA20:      known(c.ema(20)),
		EMA50:      known(c.ema(50)),
		EMA200:     known(c.ema(200)),
		BBUpper:    known(upper),
		BBLower:    known(lower),
		StochK:     known(k),
		CCI20:      known(c.cci(20)),
		MFI14:      known(c.mfi(14)),
	}
	if at >= 1 {
		n.PreviousClose = known(c.close[at-1])
		n.ChangePercent = known(100 * (c.close[at]/c.close[at-1] - 1))
	}
	if n.ATR14 != nil {
		n.ATRPercent = known(100 * *n.ATR14 / c.close[at])
	}
	n.VolumeRatio20 = volumeRatio(c.volume, 20)
	n.High52w, n.Low52w = extremes(bars)
	return n
}

// known returns x, nil when it is no number.
func known(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	x = positiveZero(x)
	return &x
}

// volumeRatio returns the last volume over the mean of the period volumes before it.
func volumeRatio(volume []float64, period int) *float64 {
	at := len(volume) - 1
	if at < period {
		return nil
	}
	sum := 0.0 // summed afresh: a running sum would leave noise where it should be 0
	for _, v := range volume[at-period : at] {
		sum += v
	}
	return known(volume[at] / (sum / float64(period)))
}

// extremes returns the highest high and the lowest low of the year that ends
// with the last bar, nil when the series does not reach that far back.
func extremes(bars []market.Bar) (high, low *float64) {
	at := len(bars) - 1
	yearAgo := bars[at].Date.AddDate(-yearsOfExtremes, 0, 0)
	if bars[0].Date.After(yearAgo) {
		return nil, nil
	}
	top, bottom := bars[at].High, bars[at].Low
	for i := at; i >= 0 && bars[i].Date.After(yearAgo); i-- {
		top, bottom = max(top, bars[i].High), min(bottom, bars[i].Low)
	}
	return known(top), known(bottom)
}
