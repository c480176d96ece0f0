package referencedata_test

import (
	"testing"

	"github.com/tapedeck/tapedeck/internal/referencedata"
)

// TestMissing: what is not there skips the test that wants it, and is told to
// the test that asks.
func TestMissing(t *testing.T) {
	if path, there := referencedata.Lookup(t, "no/such.csv"); there {
		t.Errorf("%s is there", path)
	}
	skipped := false
	t.Run("skips", func(t *testing.T) {
		defer func() { skipped = t.Skipped() }()
		referencedata.Path(t, "no/such.csv")
	})
	if !skipped {
		t.Error("not skipped")
	}
}

// TestBars: whole series, ascending, of the ticker that the file is named after.
func TestBars(t *testing.T) {
	for _, s := range referencedata.Bars(t) {
		if s.Ticker == "" || len(s.Bars) < 600 {
			t.Errorf("%q: %d bars", s.Ticker, len(s.Bars))
		}
		for i := 1; i < len(s.Bars); i++ {
			if !s.Bars[i].Date.After(s.Bars[i-1].Date) {
				t.Fatalf("%s: %s follows %s", s.Ticker, s.Bars[i].Date, s.Bars[i-1].Date)
			}
		}
	}
}
