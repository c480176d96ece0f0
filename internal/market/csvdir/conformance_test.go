package csvdir_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/markettest"
	"github.com/tapedeck/tapedeck/internal/referencedata"
)

func TestConformance(t *testing.T) {
	dir := folder(t, map[string]string{"BTC%2FUSD.csv": history(400), "B.csv": history(3), "A.csv": history(3)})
	settled := time.Now().Add(-time.Hour) // so that series come from memory
	if err := os.Chtimes(filepath.Join(dir, "BTC%2FUSD.csv"), settled, settled); err != nil {
		t.Fatal(err)
	}
	markettest.Test(t, func(t *testing.T) markettest.Fixture {
		return markettest.Fixture{Provider: open(t, dir), Known: "BTC/USD", Unknown: "NOSUCH.NS", Lists: true}
	})
}

func TestEveryRealFile(t *testing.T) {
	p := open(t, referencedata.Path(t, "market"))
	tickers, err := p.Tickers(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(tickers) != 123 {
		t.Errorf("%d tickers, want 123", len(tickers))
	}
	for _, ticker := range tickers {
		series, err := p.Daily(context.Background(), ticker, 1000)
		if err != nil {
			t.Error(err)
			continue
		}
		if len(series.Bars) < 600 {
			t.Errorf("%s: %d bars", ticker, len(series.Bars))
		}
		want, adjustment := "", market.AdjustmentUnknown // the files without Adj Close do not say it
		if strings.HasSuffix(ticker, ".NS") {
			want, adjustment = "INR", market.AdjustmentSplits
		}
		if series.Currency != want || series.Adjustment != adjustment || series.Synthetic {
			t.Errorf("%s: lineage %q %q %v", ticker, series.Currency, series.Adjustment, series.Synthetic)
		}
		if series.Warnings != nil {
			t.Logf("%s: %q", ticker, series.Warnings)
		}
	}
}

func TestConformanceOfRealFiles(t *testing.T) {
	dir := referencedata.Path(t, "market")
	markettest.Test(t, func(t *testing.T) markettest.Fixture {
		return markettest.Fixture{Provider: open(t, dir), Known: "M&M.NS", Unknown: "NOSUCH.NS", Lists: true}
	})
}
