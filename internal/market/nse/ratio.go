package nse

import (
	"fmt"
	"math"
	"slices"
)

// How prices are held against corporate actions. All are differences of
// logarithms; the exchange's previous close of an ex-date is the adjusted
// close, rounded to a tick.
const (
	// sameLog: closer than this, a previous close is the close of the day before.
	sameLog = 0.005
	// ratioLog and plainRatioLog: closer than this to a simple ratio, it is that
	// ratio. Ratios stand closely together below plainLog, and a demerger's
	// price should not be taken for one.
	ratioLog      = 0.001
	plainRatioLog = 0.005
	// actionLog is how far from an action's ratio the exchange's may be: a
	// dividend of the same day may be in it.
	actionLog = 0.02
	// openLog is how far the open may be from an action's ratio where the
	// exchange's previous close does not say: a day's move, and a wild one.
	openLog = 0.405 // a factor of 1.5
	// plainLog is where ratios are rare enough to be told from other moves. Where
	// sessions are missing before a day, only those beyond it are looked for.
	plainLog = 0.405
	// crashLog is the move at the open above which a day whose previous close
	// says that nothing happened is warned about.
	crashLog = 0.47 // a factor of 1.6
	// largestTick is how much rounding a previous close may have had.
	largestTick = 0.05
)

// A step is two neighbouring bars of a symbol, unadjusted: what the later one
// says of the change of shares between them.
type step struct {
	close float64 // of the earlier
	prev  float64 // previous close as the later one's file has it; 0: it has none
	open  float64 // of the later
	holes int     // sessions between them without a file
}

// slack is the rounding that a price may have had, as a logarithm.
func slack(price float64) float64 { return math.Min(largestTick/price, 0.05) }

// silent reports whether the exchange's previous close says nothing of an
// action: it is the close before, or there are sessions in between.
func (s step) silent() bool {
	return s.prev == 0 || s.holes > 0 || math.Abs(math.Log(s.prev/s.close)) <= sameLog+slack(s.prev)
}

// agrees reports whether the prices bear out an action with this factor.
func (s step) agrees(factor float64) bool {
	if !s.silent() {
		return math.Abs(math.Log(s.prev*factor/s.close)) <= actionLog+slack(s.prev)
	}
	with, without := math.Abs(math.Log(s.open*factor/s.close)), math.Abs(math.Log(s.open/s.close))
	return with <= openLog && with < without
}

// suspect returns the simple ratio by which the exchange changed its previous
// close, if it did: the sign of a split or bonus.
func (s step) suspect() (ratio, bool) {
	price, tolerance := s.prev, ratioLog
	switch {
	case s.prev == 0: // then the open is the next best
		price, tolerance = s.open, 0.05
	case math.Abs(math.Log(s.prev/s.close)) <= sameLog+slack(s.prev):
		return ratio{}, false // the exchange says that nothing happened, whatever prices did
	}
	factor := math.Log(s.close / price)
	if plain := math.Abs(factor) > plainLog-tolerance; plain && s.prev > 0 {
		tolerance = plainRatioLog
	} else if !plain && (s.prev == 0 || s.holes > 0) {
		return ratio{}, false
	}
	at, _ := slices.BinarySearchFunc(simpleRatios, factor, func(r simpleRatio, log float64) int {
		if r.log < log {
			return -1
		}
		return 1
	})
	best := simpleRatio{log: math.Inf(1)}
	for _, i := range []int{at - 1, at} {
		if i >= 0 && i < len(simpleRatios) && math.Abs(simpleRatios[i].log-factor) < math.Abs(best.log-factor) {
			best = simpleRatios[i]
		}
	}
	return best.ratio, math.Abs(best.log-factor) <= tolerance+slack(price)
}

// oddity says in words what is strange about a step without an action that is
// no sign of one, or nothing.
func (s step) oddity(on date) string {
	if !s.silent() {
		return fmt.Sprintf("%s: the exchange's previous close is %g after a close of %g; a demerger, a rights issue? It is left in the prices", on, s.prev, s.close)
	}
	if s.prev > 0 && s.holes == 0 && math.Abs(math.Log(s.open/s.prev)) > crashLog {
		return fmt.Sprintf("%s: opened at %g after %g, a real move by the exchange's previous close; if it was a split, say so in actions.csv", on, s.open, s.prev)
	}
	return ""
}

// A simpleRatio is one that splits and bonuses have.
type simpleRatio struct {
	ratio
	log float64
}

// simpleRatios are the factors of the splits that face values allow, of bonuses
// of up to ten for ten, of both on one day, and of consolidations; sorted. It
// is a constant table.
var simpleRatios = makeRatios()

func makeRatios() []simpleRatio {
	splits := []ratio{{1, 1}, {2, 1}, {5, 2}, {5, 1}, {10, 1}, {20, 1}, {50, 1}, {100, 1}}
	var all []simpleRatio
	add := func(r ratio) {
		if r = r.reduced(); r.num != r.den {
			all = append(all, simpleRatio{r, math.Log(r.float())})
		}
	}
	for _, split := range splits {
		add(split)
		add(ratio{split.den, split.num})
		for held := int64(1); held <= 10; held++ {
			for given := int64(1); given <= 10; given++ {
				add(ratio{split.num * (held + given), split.den * held})
			}
		}
	}
	for n := int64(3); n <= 10; n++ { // other consolidations, and splits in units
		add(ratio{1, n})
		add(ratio{n, 1})
	}
	slices.SortFunc(all, func(x, y simpleRatio) int {
		if x.ratio == y.ratio {
			return 0
		}
		if x.log != y.log {
			if x.log < y.log {
				return -1
			}
			return 1
		}
		return 0
	})
	return slices.CompactFunc(all, func(x, y simpleRatio) bool { return x.ratio == y.ratio })
}
