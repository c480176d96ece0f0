package nse_test

import (
	"testing"

	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
)

// BenchmarkDaily is one ticker's 400 bars out of an archive that has been read.
func BenchmarkDaily(b *testing.B) {
	dir := b.TempDir()
	nsetest.Archive(b, dir, nsetest.Config{Symbols: 300, Sessions: nsetest.Weekdays(420, friday)})
	p, err := nse.New(nse.Config{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := p.Daily(b.Context(), "SYNTH00007.NS", 400); err != nil {
			b.Fatal(err)
		}
	}
}
