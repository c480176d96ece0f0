package yahootest

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// A Bar is a row of a ticker's history; nil is null. Prices are as quoted,
// splits taken out.
type Bar struct {
	Date                           time.Time // a session, midnight UTC
	Open, High, Low, Close, Volume *float64
}

// NewBar returns a bar without nulls: open, high, low and close, and the volume.
func NewBar(date time.Time, prices [4]float64, volume float64) Bar {
	return Bar{Date: date, Open: &prices[0], High: &prices[1], Low: &prices[2], Close: &prices[3], Volume: &volume}
}

// walks keeps the histories that have been made: some hundreds of kilobytes each.
type walks struct {
	cfg Config

	mu   sync.Mutex // guards made
	made map[string][]Bar
}

// of returns the history of a ticker up to a year past the server's clock,
// oldest first. It depends on the ticker, the seed and Config alone.
func (w *walks) of(symbol string) []Bar {
	if bars, given := w.cfg.Bars[symbol]; given {
		return bars
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if bars, ok := w.made[symbol]; ok {
		return bars
	}
	bars := walk(symbol, w.cfg.Seed, w.cfg.First, w.cfg.Now().AddDate(1, 0, 0))
	unadjust(bars, w.cfg.Splits[symbol])
	if w.made == nil {
		w.made = map[string][]Bar{}
	}
	w.made[symbol] = bars
	return bars
}

// walk invents prices in the float32 noise in which the endpoint writes them.
func walk(symbol string, seed uint64, from, to time.Time) []Bar {
	name := fnv.New64a()
	_, _ = name.Write([]byte(symbol)) // never fails
	random := rand.New(rand.NewPCG(name.Sum64(), seed))
	v := venueOf(symbol)
	price := startPrice * math.Exp(random.NormFloat64())
	swing := func() float64 { return 1 + dailyRange*(2*random.Float64()-1)/2 }
	noise := func(x float64) float64 { return float64(float32(math.Round(x*100) / 100)) }
	var bars []Bar
	for date := from; date.Before(to); date = date.AddDate(0, 0, 1) {
		if _, _, ok := v.hours(date); !ok {
			continue
		}
		opens := price * swing()
		// Drawn back to where it began, so that a decade stays within sight of it.
		closes := opens * swing() * (1 - 0.002*math.Log(opens/startPrice))
		high := max(opens, closes) * (1 + dailyRange*random.Float64()/2)
		low := min(opens, closes) * (1 - dailyRange*random.Float64()/2)
		bars = append(bars, NewBar(date, [4]float64{noise(opens), noise(high), noise(low), noise(closes)}, math.Floor(1e5+9e5*random.Float64())))
		price = closes
	}
	return bars
}

// unadjust puts the splits that are left in back into the prices before them.
func unadjust(bars []Bar, splits []Split) {
	for _, s := range splits {
		if !s.LeftIn {
			continue
		}
		ratio := s.Numerator / s.Denominator
		for i := range bars {
			if bars[i].Date.Before(s.Date) {
				b := &bars[i]
				*b = NewBar(b.Date, [4]float64{*b.Open * ratio, *b.High * ratio, *b.Low * ratio, *b.Close * ratio}, *b.Volume/ratio)
			}
		}
	}
}
