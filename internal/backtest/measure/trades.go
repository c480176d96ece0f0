package measure

import "github.com/tapedeck/tapedeck/internal/number"

// TradingOf returns the figures of trades.
func TradingOf(trades []Trade) Trading {
	var p pool
	for _, t := range trades {
		p.percent += t.ReturnPercent
		p.r += t.R
		p.bars += float64(t.BarsHeld)
		p.Trades++
		if t.Side == Short {
			p.Shorts++
		}
		switch {
		case t.PnL > 0:
			p.Wins++
			p.Won += t.PnL
		case t.PnL < 0:
			p.Losses++
			p.Lost -= t.PnL
		}
		p.Costs += t.Costs
		p.Slippage += t.Slippage
		p.Traded += t.Value()
	}
	return p.figures()
}

// A pool is the sums of the figures of many trades: those of Trading, and those
// of which Trading holds only the means.
type pool struct {
	Trading
	percent, r, bars float64
}

// add puts another's trades in, amounts in percent of the capital.
func (p *pool) add(t Trading, capital float64) {
	scale := 100 / capital
	p.Trades += t.Trades
	p.Wins += t.Wins
	p.Losses += t.Losses
	p.Shorts += t.Shorts
	p.Won += t.Won * scale
	p.Lost += t.Lost * scale
	p.Costs += t.Costs * scale
	p.Slippage += t.Slippage * scale
	p.Traded += t.Traded * scale
	p.percent += sum(t.ExpectancyPercent, t.Trades)
	p.r += sum(t.ExpectancyR, t.Trades)
	p.bars += sum(t.AverageBarsHeld, t.Trades)
}

// figures returns the sums with the ratios that follow from them.
func (p *pool) figures() Trading {
	t := p.Trading
	t.WinRatePercent = ratio(100*float64(t.Wins), float64(t.Trades))
	t.ProfitFactor = ratio(t.Won, t.Lost)
	t.Expectancy = ratio(t.Won-t.Lost, float64(t.Trades))
	t.AverageWin = ratio(t.Won, float64(t.Wins))
	t.AverageLoss = ratio(-t.Lost, float64(t.Losses))
	t.ExpectancyPercent = ratio(p.percent, float64(t.Trades))
	t.ExpectancyR = ratio(p.r, float64(t.Trades))
	t.AverageBarsHeld = ratio(p.bars, float64(t.Trades))
	return t
}

// ratio returns over / under, nil where that is no number.
func ratio(over, under float64) *float64 {
	if under == 0 {
		return nil
	}
	return number.Known(over / under)
}

// sum undoes a mean.
func sum(mean *float64, n int) float64 {
	if mean == nil {
		return 0
	}
	return *mean * float64(n)
}
