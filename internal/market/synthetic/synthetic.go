// Package synthetic is a market.Provider that invents plausible daily bars for
// any legal ticker, offline. A ticker's series follows from its name and a
// seed alone: the same on every machine, in every order, for ever. It is marked
// Synthetic, and whoever shows it says so.
//
// Returns come from regimes (see walk.go) with clustered volatility, so that
// trends, ranges, sharp pullbacks and rallies all occur, and with them every
// verdict. Bars stand on weekdays without holidays. A later last day adds bars
// and leaves the earlier ones as they are.
package synthetic

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

const providerName = "synthetic"

// Config says which of the possible markets this is. The zero Config is the usual one.
type Config struct {
	// LastDay is the date of the last bar, or of the last weekday before it;
	// zero means DefaultLastDay. Only its calendar date counts.
	LastDay time.Time
	// Seed chooses another market with the same tickers.
	Seed uint64
}

// A Provider invents series. It holds no changing state and is safe for
// concurrent use.
type Provider struct {
	seed  uint64
	dates []time.Time // of all bars, oldest first; never changed
}

// New returns a provider. It fails when cfg.LastDay is before 2023-01-02, the
// first day of every series, or more than 10,000 weekdays after it.
func New(cfg Config) (*Provider, error) {
	last := cfg.LastDay
	if last.IsZero() {
		last = DefaultLastDay
	}
	last = time.Date(last.Year(), last.Month(), last.Day(), 0, 0, 0, 0, time.UTC)
	p := &Provider{seed: cfg.Seed}
	for day := firstDay; !day.After(last); day = day.AddDate(0, 0, 1) {
		if weekday := day.Weekday(); weekday == time.Saturday || weekday == time.Sunday {
			continue
		}
		if len(p.dates) == maxBars {
			return nil, fmt.Errorf("last day %s makes a history of more than %d bars; choose an earlier one",
				last.Format(time.DateOnly), maxBars)
		}
		p.dates = append(p.dates, day)
	}
	if len(p.dates) == 0 {
		return nil, fmt.Errorf("last day %s is before %s, the first day of the synthetic market",
			last.Format(time.DateOnly), firstDay.Format(time.DateOnly))
	}
	return p, nil
}

// Name implements market.Provider: "synthetic".
func (p *Provider) Name() string { return providerName }

// Daily implements market.Provider. Every legal ticker has the same number of
// bars, and all of them are valid without a warning.
func (p *Provider) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	if err := market.CheckRequest(ctx, ticker, bars); err != nil {
		return market.Series{}, err
	}
	return market.Series{
		Ticker: ticker, Provider: providerName, Synthetic: true,
		Adjustment: market.AdjustmentSplitsDividends, Currency: currencyOf(ticker),
		Bars: p.generate(ticker, min(bars, len(p.dates))),
	}, nil
}

// generate returns the last n bars. The walk always begins at the first day:
// that is what makes fewer bars the tail of more.
func (p *Provider) generate(ticker string, n int) []market.Bar {
	w := newWalk(p.source(ticker))
	skip := len(p.dates) - n
	bars := make([]market.Bar, 0, n)
	for i, day := range p.dates {
		s := w.step()
		if i >= skip {
			bars = append(bars, s.bar(day))
		}
	}
	return bars
}

// source is the ticker's own random numbers. SHA-256, because the names of
// tickers are alike and their series must not be.
func (p *Provider) source(ticker string) *rand.PCG {
	text := binary.BigEndian.AppendUint64([]byte("tapedeck synthetic market 1\x00"), p.seed)
	sum := sha256.Sum256(append(text, ticker...))
	return rand.NewPCG(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16]))
}

// Tickers implements market.Provider: always an *Error with CodeInvalid, since
// any legal ticker works.
func (p *Provider) Tickers(context.Context) ([]string, error) {
	return nil, &market.Error{
		Code: market.CodeInvalid,
		Err:  errors.New("the synthetic market has every ticker and cannot list them; name tickers or a universe"),
	}
}

// currencyOf is the suffix's currency; USD for a bare name, as US listings are
// written; empty for indices, pairs and other exchanges' suffixes.
func currencyOf(ticker string) string {
	if currency := market.ListingCurrency(ticker); currency != "" {
		return currency
	}
	if strings.ContainsAny(ticker, ".^=/") {
		return ""
	}
	return "USD"
}
