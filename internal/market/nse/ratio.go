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
	// smallLog is the largest difference of a previous close that is warned about
	// without a line: a dividend or a cheap rights issue. Of a larger one nobody
	// can tell whether it was a bonus.
	smallLog = 0.04
	// ratioLog: closer than this to a ratio of a bonus, or to what a dividend
	// leaves, a previous close is changed by it. These ratios stand closely
	// together, and a demerger's price should not be taken for one.
	ratioLog = 0.001
	// actionLog is how far from an action's ratio the exchange's may be: a
	// dividend of the same day may be in it.
	actionLog = 0.02
	// openMove is how far the open may be from what an action's ratio makes of the
	// close, as a part of that, where the exchange's previous close does not say:
	// 20 % are the most that the exchange lets a price move before it opens.
	// holeLog is how far it may be where sessions are missing before the day.
	openMove = 0.20
	holeLog  = 0.405 // a factor of 1.5
	// stepLog is the step beyond which only a line with a ratio explains it, be it
	// of the previous close or of the open and the close: no demerger that is left
	// in the prices excuses it.
	stepLog = 0.336 // a factor of 1.4
	// perHole is added to what a day may move for each session but one that is
	// missing before it, up to largestStep: prices move meanwhile.
	perHole     = 0.03
	largestStep = 0.47 // a factor of 1.6
	// plainLog is how far from a plain ratio an open may be for the message to
	// name the ratio.
	plainLog = 0.06
	// oddLog is the move of the open and the close above which a day whose
	// previous close says that nothing happened needs a line, and that of the
	// open alone above which it is warned about: 20 % are the most that the
	// exchange lets a price move before it opens.
	oddLog = 0.25 // a factor of 1.28
	// largestTick is how much rounding a previous close may have had.
	largestTick = 0.05
)

// A step is two neighbouring bars of a symbol, unadjusted: what the later one
// says of the change of shares between them.
type step struct {
	close float64 // of the earlier
	prev  float64 // previous close as the later one's file has it; 0: it has none
	open  float64 // of the later
	last  float64 // close of the later
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
	return s.opens(factor) && math.Abs(math.Log(s.open*factor/s.close)) < math.Abs(math.Log(s.open/s.close))
}

// opens reports whether a session may open where this one did, if an action has
// this factor.
func (s step) opens(factor float64) bool {
	by, rounding := s.open*factor/s.close, slack(s.open)
	if s.holes > 0 {
		return math.Abs(math.Log(by)) <= holeLog
	}
	return by >= (1-openMove)*(1-rounding) && by <= (1+openMove)*(1+rounding)
}

// nearer is the plain ratio that is nearer to the open than an action's factor,
// and than no action at all, if there is one. It is 0:0 where the previous close
// speaks, and where the factor leaves no more than plainLog.
func (s step) nearer(factor float64) ratio {
	by := math.Log(s.close / s.open)
	left := math.Abs(by - math.Log(factor))
	if !s.silent() || left <= plainLog {
		return ratio{}
	}
	// The hair less is for the factor that is a plain ratio itself.
	return plainRatio(by, math.Min(left, math.Abs(by))*(1-1e-9))
}

// bears reports whether the prices do not speak against a small action: the
// previous close is silent, and with it the open is where a session may open.
func (s step) bears(factor float64) bool {
	return s.silent() && math.Abs(math.Log(factor)) <= oddLog && s.opens(factor)
}

// pays reports whether a dividend is what the previous close lacks of the close
// before, to rounding.
func (s step) pays(dividend float64) bool {
	return dividend > 0 && dividend < s.close && s.prev > 0 &&
		math.Abs(math.Log((s.close-dividend)/s.prev)) <= ratioLog+slack(s.prev)
}

// A suspicion is a step that no session explains.
type suspicion struct {
	// ratio is the plain one that it may be, of a split or bonus; 0:0 if it is
	// near none, or near several.
	ratio ratio
	// factor is the quotient of prices after and before as the exchange's
	// previous close has it; 0 where only the open shows the step.
	factor float64
}

// doubt says of actions that only the open bears out that a plain ratio is
// nearer to it, or nothing.
func (s step) doubt(what string, factor float64) string {
	r := s.nearer(factor)
	if r.den == 0 {
		return ""
	}
	return fmt.Sprintf("%s leaves a step of %+.0f %% from the close of %g to the open of %g, and the exchange's previous close does not confirm it; %s is nearer: look it up",
		what, 100*(s.open*factor/s.close-1), s.close, s.open, r)
}

// suspect says whether something happened between the bars that needs a line:
// a change of the exchange's previous close, or a step that is too large for a
// day. A line that is left in the prices (left), or a dividend of just the
// change's size (paid), explains small ones.
func (s step) suspect(left, paid bool) (suspicion, bool) {
	if !s.silent() {
		by := math.Log(s.close / s.prev)
		if math.Abs(by) > stepLog {
			return suspicion{plainRatio(by, actionLog+slack(s.prev)), s.prev / s.close}, true
		}
		r, exact := nearest(bonusRatios, by, ratioLog+slack(s.prev))
		// On a share so cheap that a tick is several ratios, none is exact.
		exact = exact && (math.Abs(by) > smallLog || slack(s.prev) <= 2*ratioLog)
		if !left && !paid && (exact || math.Abs(by) > smallLog) {
			return suspicion{r, s.prev / s.close}, true
		}
	}
	least := oddLog
	if left {
		least = stepLog
	}
	if s.prev > 0 {
		if by := s.moved(s.prev); math.Abs(by) > least {
			return suspicion{ratio: plainRatio(by, plainLog)}, true
		}
	}
	if s.prev == 0 || s.holes > 0 {
		by := s.moved(s.close)
		if math.Abs(by) > math.Min(least+perHole*float64(max(0, s.holes-1)), largestStep) {
			return suspicion{ratio: plainRatio(by, plainLog)}, true
		}
	}
	return suspicion{}, false
}

// moved is how far both the open and the close of the later bar are from a price
// before it, 0 if only one of them is: a fall in the course of a day is one.
func (s step) moved(from float64) float64 {
	open, last := math.Log(from/s.open), math.Log(from/s.last)
	switch {
	case open*last <= 0:
		return 0
	case math.Abs(open) < math.Abs(last):
		return open
	}
	return last
}

// oddity says in words what is strange about a step without an action that is
// no sign of one, or nothing.
func (s step) oddity(on date) string {
	if !s.silent() {
		return fmt.Sprintf("%s: the exchange's previous close is %g after a close of %g; a demerger, a rights issue? It is left in the prices", on, s.prev, s.close)
	}
	if s.prev > 0 && s.holes == 0 && math.Abs(math.Log(s.open/s.prev)) > oddLog {
		return fmt.Sprintf("%s: opened at %g after %g, further than the exchange lets a price move before it opens; if it was a split or bonus, say so in actions.csv", on, s.open, s.prev)
	}
	return ""
}

// A simpleRatio is one that splits and bonuses have.
type simpleRatio struct {
	ratio
	log float64
}

// plainRatios are the ones that a message may offer from far: so few that a
// step near one of them is hardly another. bonusRatios are those of bonuses of
// up to ten for ten below stepLog, of consolidations that undo one, and of the
// small bonuses of 1:15 to 1:50; they count where the exchange's previous close
// has one exactly. Both are constant tables.
var (
	plainRatios = sorted(ratio{3, 2}, ratio{2, 1}, ratio{5, 2}, ratio{3, 1}, ratio{4, 1}, ratio{5, 1}, ratio{15, 2},
		ratio{10, 1}, ratio{15, 1}, ratio{20, 1}, ratio{50, 1}, ratio{100, 1},
		ratio{1, 2}, ratio{1, 3}, ratio{1, 4}, ratio{1, 5}, ratio{1, 10}, ratio{1, 20}, ratio{1, 50}, ratio{1, 100})
	bonusRatios = makeBonusRatios()
)

func makeBonusRatios() []simpleRatio {
	var all []ratio
	for held := int64(1); held <= 10; held++ {
		for given := int64(1); given <= held; given++ {
			r := ratio{held + given, held}.reduced()
			if math.Log(r.float()) <= stepLog+ratioLog && !slices.Contains(all, r) {
				all = append(all, r, ratio{r.den, r.num})
			}
		}
	}
	for _, held := range []int64{15, 20, 25, 50} {
		all = append(all, ratio{held + 1, held})
	}
	return sorted(all...)
}

func sorted(ratios ...ratio) []simpleRatio {
	all := make([]simpleRatio, len(ratios))
	for i, r := range ratios {
		all[i] = simpleRatio{r, math.Log(r.float())}
	}
	slices.SortFunc(all, func(x, y simpleRatio) int {
		if x.log < y.log {
			return -1
		}
		return 1
	})
	return all
}

// plainRatio is the plain ratio near a step, or 0:0.
func plainRatio(by, tolerance float64) ratio {
	r, _ := nearest(plainRatios, by, tolerance)
	return r
}

// nearest is the ratio of a table that is nearest to a step, if it is near.
func nearest(table []simpleRatio, by, tolerance float64) (ratio, bool) {
	best := simpleRatio{log: math.Inf(1)}
	for _, r := range table {
		if math.Abs(r.log-by) < math.Abs(best.log-by) {
			best = r
		}
	}
	if math.Abs(best.log-by) > tolerance {
		return ratio{}, false
	}
	return best.ratio, true
}
