package analysis

import (
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/number"
)

// numbers returns the figures of the last bar.
func numbers(bars []market.Bar, c *columns) Numbers {
	at := c.bars() - 1
	line, signal, histogram := c.macd(12, 26, 9)
	adx, _, _ := c.adx(14)
	upper, _, lower := c.bollinger(20, 2)
	k, _ := c.stochastic(14, 3, 3)
	n := Numbers{
		Close:      number.Known(c.close[at]),
		Volume:     number.Known(c.volume[at]),
		RSI14:      number.Known(c.rsi(14)),
		MACD:       number.Known(line),
		MACDSignal: number.Known(signal),
		MACDHist:   number.Known(histogram),
		ADX14:      number.Known(adx),
		ATR14:      number.Known(c.atr(14)),
		SMA20:      number.Known(c.sma(20)),
		SMA50:      number.Known(c.sma(50)),
		SMA200:     number.Known(c.sma(200)),
		EMA20:      number.Known(c.ema(20)),
		EMA50:      number.Known(c.ema(50)),
		EMA200:     number.Known(c.ema(200)),
		BBUpper:    number.Known(upper),
		BBLower:    number.Known(lower),
		StochK:     number.Known(k),
		CCI20:      number.Known(c.cci(20)),
		MFI14:      number.Known(c.mfi(14)),
	}
	if at >= 1 {
		n.PreviousClose = number.Known(c.close[at-1])
		n.ChangePercent = number.Known(100 * (c.close[at]/c.close[at-1] - 1))
	}
	if n.ATR14 != nil {
		n.ATRPercent = number.Known(100 * *n.ATR14 / c.close[at])
	}
	n.VolumeRatio20 = volumeRatio(c.volume, 20)
	n.High52w, n.Low52w = extremes(bars)
	return n
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
	return number.Known(volume[at] / (sum / float64(period)))
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
	return number.Known(top), number.Known(bottom)
}
