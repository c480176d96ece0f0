package number_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tapedeck/tapedeck/internal/number"
)

func TestApart(t *testing.T) {
	for _, c := range [][3]float64{
		{100.1, 98.1, 2}, {98.1, 100.1, 2}, {0.3, 0.2, 0.1}, {3238.3, 3173.5, 64.8}, {0.0003, 0.0002, 0.0001},
		{1.749946597954731e-07, 1.6881282654905377e-07, 6.181833246419326e-09}, // no decimals of a dozen digits
		{1e9, 999999999.95, 0.05}, {7, 7, 0}, {math.Nextafter(1, 2), 1, math.Nextafter(1, 2) - 1}, {5e-324, 1e-323, 5e-324},
	} {
		if got := number.Apart(c[0], c[1]); got != c[2] {
			t.Errorf("%v and %v are %v apart, not %v", c[0], c[1], c[2], got)
		}
	}
}

// TestApartIsNear: no difference is off by more than the noise of its terms.
func TestApartIsNear(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100000 {
		a := math.Pow(10, 24*rng.Float64()-12)
		b := a * (1 + 0.1*rng.Float64())
		if rng.IntN(2) == 0 { // on a tick, as most prices are
			a, b = math.Round(a*100)/100+1, math.Round(b*100)/100+1
		}
		if got, unit := number.Apart(a, b), math.Nextafter(b, math.Inf(1))-b; math.Abs(got-(b-a)) > 2*unit || (got == 0) != (a == b) {
			t.Fatalf("%v and %v are %v apart, not %v", a, b, b-a, got)
		}
	}
}

func TestFits(t *testing.T) {
	for _, c := range [][4]float64{
		{2000, 2, 1e9, 1000}, {2000, 2.001, 1e9, 999}, {10, 1, 4, 4}, {0, 1, 9, 0}, {-1, 1, 9, 0}, {1, 0, 9, 0}, {1, math.NaN(), 9, 0},
	} {
		if got := number.Fits(c[0], c[1], c[2]); got != c[3] {
			t.Errorf("%v goes %v times into %v, not %v", c[1], got, c[0], c[3])
		}
	}
	for i := range 1000 {
		each := 0.01 * float64(i+1)
		budget := each * 7
		if n := number.Fits(budget, each, 1e9); n*each > budget || n < 6 {
			t.Fatalf("%v of %v in %v", n, each, budget)
		}
	}
}

func TestKnown(t *testing.T) {
	if number.Known(math.NaN()) != nil || number.Known(math.Inf(-1)) != nil || *number.Known(2) != 2 {
		t.Error("known is what is a number")
	}
	if x := number.Known(math.Copysign(0, -1)); math.Signbit(*x) {
		t.Error("-0")
	}
}
