package synthetic

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// A regime is a mood of the market: what a day is expected to return, how much
// days differ, and how many weekdays it lasts.
type regime struct {
	drift          float64 // expected return of a day
	volatility     float64 // long-run standard deviation of a day's return
	pull           float64 // share of the distance to the regime's first close that a day takes back
	shortest, most int     // duration in bars
	weight         uint64  // how often it is chosen
}

// The regimes. Drifts are large against volatility, so that trends show within
// the weeks that indicators look at; plunge and surge are short and sharp, so
// that oscillators reach their extremes inside a longer trend.
var regimes = [...]regime{
	{drift: +0.0035, volatility: 0.011, shortest: 20, most: 60, weight: 5},             // rise
	{drift: -0.0032, volatility: 0.013, shortest: 15, most: 50, weight: 4},             // fall
	{drift: 0, volatility: 0.008, pull: 0.08, shortest: 15, most: 50, weight: 4},       // range
	{drift: -0.0200, volatility: 0.015, shortest: 4, most: 10, weight: 5},              // plunge
	{drift: +0.0200, volatility: 0.014, shortest: 4, most: 10, weight: 5},              // surge
	{drift: +0.0010, volatility: 0.022, pull: 0.02, shortest: 10, most: 30, weight: 2}, // turmoil
}

const totalWeight = 5 + 4 + 4 + 5 + 5 + 2

// The volatility of a day follows GARCH(1,1) (Bollerslev 1986) around the
// regime's: variance' = (1-shock-memory) x long-run + shock x r² + memory x variance.
const (
	shock  = 0.10
	memory = 0.85
)

// A walk is the state of a ticker between two bars. Its arithmetic keeps to
// operations that IEEE 754 fixes (no exp or log, products converted before
// they are added, which forbids fusing them), so that every machine makes the
// same series.
type walk struct {
	source   *rand.PCG
	close    float64 // yesterday's close, not rounded
	anchor   float64 // the close at which the regime began
	variance float64
	volume   float64 // shares on a usual day
	mood     regime
	left     int // bars until the next regime
}

// A session is what a step found, before it is rounded into a bar.
type session struct {
	open, high, low, close, volume float64
}

func newWalk(source *rand.PCG) *walk {
	w := &walk{source: source}
	// Prices spread evenly over the logarithm as a power of two (exact) times
	// a factor in [1, 2): 64 to 4,096, inside the range of closes.
	w.close = math.Ldexp(1+w.uniform(), 6+int(w.source.Uint64()%6))
	w.volume = math.Ldexp(1+w.uniform(), 16+int(w.source.Uint64()%7))
	w.choose()
	w.variance = w.mood.volatility * w.mood.volatility
	return w
}

// step makes the next session.
func (w *walk) step() session {
	if w.left == 0 {
		w.choose()
	}
	w.left--
	change := w.mood.drift + float64(math.Sqrt(w.variance)*w.normal())
	change -= float64(w.mood.pull * float64(w.close/w.anchor-1))
	next := w.close * (1 + change)
	if next < lowestClose || next > highestClose {
		change = -change
		next = w.close * (1 + change)
	}
	longRun := w.mood.volatility * w.mood.volatility
	w.variance = float64((1-shock-memory)*longRun) + float64(shock*float64(change*change)) + float64(memory*w.variance)
	s := w.session(next, change)
	w.close = next
	return s
}

// session draws the rest of a bar around yesterday's close and today's: a gap
// at the open, shadows beyond open and close, and a volume that grows with the
// size of the move. Four numbers of 16 bits from one draw.
func (w *walk) session(next, change float64) session {
	bits := w.source.Uint64()
	part := func(i uint) float64 { return float64(bits>>(16*i)&0xffff) / 0x10000 }
	deviation := math.Sqrt(w.variance)
	gap := deviation * (part(0) - 0.5)
	open := w.close * (1 + gap)
	high := math.Max(open, next) * (1 + float64(0.8*float64(deviation*part(1))))
	low := math.Min(open, next) * (1 - float64(0.8*float64(deviation*part(2))))
	volume := w.volume * (0.5 + part(3)) * (1 + float64(30*math.Abs(change)))
	return session{open: open, high: high, low: low, close: next, volume: volume}
}

// bar rounds a session to hundredths and whole shares. Rounding keeps order,
// so the bar is as valid as the session.
func (s session) bar(day time.Time) market.Bar {
	return market.Bar{
		Date: day,
		Open: hundredths(s.open), High: hundredths(s.high), Low: hundredths(s.low), Close: hundredths(s.close),
		Volume: math.Round(s.volume),
	}
}

func hundredths(price float64) float64 { return math.Round(price*100) / 100 }

// choose begins a new regime.
func (w *walk) choose() {
	pick := w.source.Uint64() % totalWeight
	for _, r := range regimes {
		if pick < r.weight {
			w.mood = r
			break
		}
		pick -= r.weight
	}
	w.left = w.mood.shortest + int(w.source.Uint64()%uint64(w.mood.most-w.mood.shortest+1))
	w.anchor = w.close
}

// uniform draws from [0, 1).
func (w *walk) uniform() float64 { return float64(w.source.Uint64()>>11) / (1 << 53) }

// normal draws from nearly a standard normal distribution: the sum of four
// 16-bit numbers of one draw, within 3.46 standard deviations. Exact in
// integers, unlike the library's, which may be improved one day.
func (w *walk) normal() float64 {
	bits := w.source.Uint64()
	sum := bits&0xffff + bits>>16&0xffff + bits>>32&0xffff + bits>>48
	const (
		mean      = 2 * 0xffff
		deviation = 37837.22723720648 // sqrt(4 x (65536² - 1) / 12)
	)
	return (float64(sum) - mean) / deviation
}
