package number_test

import (
	"math"
	"testing"

	"github.com/tapedeck/tapedeck/internal/number"
)

func TestApart(t *testing.T) {
	for _, c := range [][3]float64{
		{100.1, 98.1, 2}, {98.1, 100.1, 2}, {0.3, 0.2, 0.1}, {3238.3, 3173.5, 64.8}, {0.0003, 0.0002, 0.0001},
		{1e9, 999999999.95, 0.05}, {7, 7, 0}, {math.Nextafter(1, 2), 1, math.Nextafter(1, 2) - 1}, {5e-324, 1e-323, 5e-324},
	} {
		if got := number.Apart(c[0], c[1]); got != c[2] {
			t.Errorf("%v and %v are %v apart, not %v", c[0], c[1], c[2], got)
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
