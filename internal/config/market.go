package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/csvdir"
	"github.com/tapedeck/tapedeck/internal/market/synthetic"
)

// ErrNoMarket is what a program says that was not told where bars come from.
var ErrNoMarket = errors.New(`--market (or TAPEDECK_MARKET) is missing; say where the bars come from:
  --market csv:DIR      a folder of TICKER.csv files, for example --market csv:./bars
  --market synthetic    invented bars, marked as synthetic wherever they are shown`)

// Open returns the provider that the setting names.
func (m Market) Open() (market.Provider, error) {
	kind, rest, _ := strings.Cut(m.Market, ":")
	switch {
	case m.Market == "":
		return nil, ErrNoMarket
	case m.Market == "synthetic":
		provider, err := synthetic.New(synthetic.Config{})
		if err != nil {
			return nil, fmt.Errorf("opening --market synthetic: %w", err)
		}
		return provider, nil
	case kind == "csv" && rest != "":
		provider, err := csvdir.New(csvdir.Config{Dir: rest})
		if err != nil {
			return nil, fmt.Errorf("opening --market %s: %w", m.Market, err)
		}
		return provider, nil
	}
	return nil, fmt.Errorf("--market %q is neither synthetic nor csv:DIR", m.Market)
}

// ListsTickers reports whether the provider knows all its tickers.
func (m Market) ListsTickers() bool { return m.Market != "synthetic" }
