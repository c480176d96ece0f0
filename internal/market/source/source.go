// Package source opens the market data provider that a setting names. It is
// the one place that knows which providers there are.
package source

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/csvdir"
	"github.com/tapedeck/tapedeck/internal/market/synthetic"
)

// ErrNone is what a program says that was not told where bars come from.
var ErrNone = errors.New(`--market (or TAPEDECK_MARKET) is missing; say where the bars come from:
  --market csv:DIR      a folder of TICKER.csv files, for example --market csv:./bars
  --market synthetic    invented bars, marked as synthetic wherever they are shown`)

// Open returns the provider that a setting names: "synthetic" or "csv:DIR".
func Open(setting string) (market.Provider, error) {
	kind, rest, _ := strings.Cut(setting, ":")
	switch {
	case setting == "":
		return nil, ErrNone
	case setting == "synthetic":
		provider, err := synthetic.New(synthetic.Config{})
		if err != nil {
			return nil, fmt.Errorf("opening --market synthetic: %w", err)
		}
		return provider, nil
	case kind == "csv" && rest != "":
		provider, err := csvdir.New(csvdir.Config{Dir: rest})
		if err != nil {
			return nil, fmt.Errorf("opening --market %s: %w", setting, err)
		}
		return provider, nil
	}
	return nil, fmt.Errorf("--market %q is neither synthetic nor csv:DIR", setting)
}

// ListsTickers reports whether the provider that a setting names knows all its
// tickers; the synthetic one has every legal ticker.
func ListsTickers(setting string) bool { return setting != "synthetic" }
