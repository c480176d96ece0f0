// Package number holds what the arithmetic of prices needs besides float64's
// own: differences without the noise of their terms, whole parts that do not
// exceed the whole, and zeros and missing numbers that are written alike. It is pure.
package number

import "math"

// digits is to how many decimal digits of the larger price a difference is
// taken: a price has at most ten, a float64 holds fifteen.
const digits = 12

// apartNoise is how many units in the last place of the larger price a difference
// may be off by the noise of its terms: each of both is off by half of one.
const apartNoise = 2

// Apart returns how far two prices, both above 0, are apart, without the noise
// that 100.1 and 98.1 have as float64: 2 and not 1.9999999999999858. Where both
// are no decimals of a dozen digits it is the difference as it stands. It is 0
// only for equal prices.
func Apart(a, b float64) float64 {
	raw, larger := math.Abs(a-b), math.Max(a, b)
	scale := math.Pow(10, digits-math.Ceil(math.Log10(larger)))
	rounded := math.Round(raw*scale) / scale
	if unit := math.Nextafter(larger, math.Inf(1)) - larger; rounded > 0 && math.Abs(rounded-raw) <= apartNoise*unit {
		return rounded
	}
	return raw
}

// Fits returns how often each goes into budget, whole and at most most: never
// once more than budget has room for, also where the quotient was rounded up.
// It is 0 where either is not above 0.
func Fits(budget, each, most float64) float64 {
	if !(each > 0) || !(budget > 0) {
		return 0
	}
	n := math.Floor(math.Min(budget/each, most))
	for n > 0 && n*each > budget {
		n--
	}
	return math.Max(0, n)
}

// PositiveZero turns -0 into 0, so that equal results have equal texts.
func PositiveZero(x float64) float64 {
	if x == 0 {
		return 0
	}
	return x
}

// Known returns x, never -0; nil when it is NaN or infinite.
func Known(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	x = PositiveZero(x)
	return &x
}
