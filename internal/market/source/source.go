// Package source opens the market data that a program's settings name. It is
// the one place that knows which providers there are, and which of them share
// a request rate and a cache.
package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/cache"
	"github.com/tapedeck/tapedeck/internal/market/chain"
	"github.com/tapedeck/tapedeck/internal/market/csvdir"
	"github.com/tapedeck/tapedeck/internal/market/limit"
	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/synthetic"
	"github.com/tapedeck/tapedeck/internal/market/yahoo"
)

// ErrNone is what a program says that was not told where bars come from.
var ErrNone = errors.New(`--market (or TAPEDECK_MARKET) is missing; say where the bars come from:
  --market csv:DIR         a folder of TICKER.csv files, for example --market csv:./bars
  --market nse             India's NSE: the exchange's daily files, fetched into an archive of your own
  --market nse:DIR         the same from a folder of daily files that you have
  --market yahoo           Yahoo Finance, two requests per second
  --market nse:DIR,yahoo   a chain: each ticker from the first that has it
  --market synthetic       invented bars, marked as synthetic wherever they are shown`)

// A Market is an opened provider. Close ends what it does in the background.
type Market struct {
	market.Provider
	// Lists says that the market knows its tickers; one that has any legal
	// ticker, or cannot tell, does not.
	Lists    bool
	archives []*archive // those that are filled
	closes   []io.Closer
}

// Close stops the providers' own work, such as downloads.
func (m *Market) Close() error {
	var errs []error
	for _, c := range slices.Backward(m.closes) {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// A part is one provider of a setting.
type part struct{ kind, dir string }

// parse reads --market: parts with commas between.
func parse(setting string) ([]part, error) {
	if setting == "" {
		return nil, ErrNone
	}
	var parts []part
	for _, text := range strings.Split(setting, ",") {
		kind, dir, named := strings.Cut(strings.TrimSpace(text), ":")
		switch p := (part{kind, dir}); {
		case kind == "csv" && dir != "", kind == "nse" && named == (dir != ""), (kind == "yahoo" || kind == "synthetic") && !named:
			parts = append(parts, p)
		default:
			return nil, fmt.Errorf("--market %q: %q is none of csv:DIR, nse, nse:DIR, yahoo and synthetic", setting, text)
		}
		if kind == "synthetic" && strings.Contains(setting, ",") {
			return nil, fmt.Errorf("--market %q: synthetic has every ticker, so a chain with it would show invented bars for those that the others lack; use it alone", setting)
		}
	}
	return parts, nil
}

// Check says what is wrong with --market and --market-rate as they are written;
// whether folders and servers are there shows when they are opened.
func Check(s config.Market) error {
	if _, err := parse(s.Market); err != nil {
		return err
	}
	if Shares(s) {
		if _, err := limit.New(limit.Config{Rate: s.MarketRate}); err != nil {
			return fmt.Errorf("reading --market-rate: %w", err)
		}
	}
	return nil
}

// Shares reports whether the market asks servers, at a rate that all
// analyzers share. A setting that cannot be read does not.
func Shares(s config.Market) bool {
	parts, err := parse(s.Market)
	return err == nil && slices.ContainsFunc(parts, func(p part) bool { return p.asks(s) })
}

// Slots is how many tickers an analyzer had better have in hand. Where each
// ticker costs a request that is what the rate serves in a few seconds: more
// would only wait for their turn, and with several analyzers wait their attempt
// out. A number that the user set stays.
func Slots(s config.Market, a config.Analyzer) int {
	parts, err := parse(s.Market)
	if a.Concurrency > 0 || err != nil || !slices.ContainsFunc(parts, func(p part) bool { return p.kind == "yahoo" }) {
		return a.Slots()
	}
	return min(a.Slots(), max(minSlots, int(s.MarketRate*slotSeconds)))
}

const (
	// slotSeconds is how long the last of an analyzer's tickers waits for its
	// turn: seven analyzers on one rate stay within an attempt of a minute.
	slotSeconds = 8
	// minSlots keeps slow answers from limiting low rates.
	minSlots = 8
)

// asks reports whether a part sends requests over a network.
func (p part) asks(s config.Market) bool {
	return p.kind == "yahoo" || p.kind == "nse" && p.downloads(s)
}

// downloads: without a folder of the user's there is nothing to read.
func (p part) downloads(s config.Market) bool { return p.dir == "" || s.NSEDownload }

// Open opens the market that the settings name. What is wrong with a setting
// or a folder, or that the rates cannot be shared, is said with what to do.
func Open(ctx context.Context, s config.Market, ports Ports) (*Market, error) {
	parts, err := parse(s.Market)
	if err != nil {
		return nil, err
	}
	if ports.Log == nil {
		ports.Log = slog.New(slog.DiscardHandler)
	}
	o := opener{settings: s, ports: ports, market: &Market{}}
	if o.calendars, err = calendars(s.Calendar); err != nil {
		return nil, err
	}
	if Shares(s) {
		if o.limiter, err = limit.New(limit.Config{Rate: s.MarketRate, Books: ports.Books}); err != nil {
			return nil, fmt.Errorf("reading --market-rate: %w", err)
		}
		if ports.check != nil {
			if err := ports.check(ctx); err != nil {
				return nil, fmt.Errorf("opening --market %s: %w", s.Market, err)
			}
		}
	}
	var providers []market.Provider
	for _, p := range parts {
		provider, err := o.open(p)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("opening --market %s: %w", s.Market, err), o.market.Close())
		}
		providers = append(providers, provider)
	}
	if o.market.Provider = providers[0]; len(providers) > 1 {
		if o.market.Provider, err = chain.New(providers...); err != nil {
			return nil, errors.Join(err, o.market.Close())
		}
	}
	o.market.Provider = aged{o.market.Provider, o.calendars, time.Now}
	return o.market, nil
}

// calendars are the built-in ones with the days of the users' file over them.
func calendars(path string) (calendar.Lookup, error) {
	if path == "" {
		return calendar.For, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading --calendar: %w", err)
	}
	defer file.Close()
	days, err := calendar.ParseDays(file, path)
	if err != nil {
		return nil, fmt.Errorf("reading --calendar: %w", err)
	}
	return calendar.WithOverrides(days), nil
}

// An opener makes the providers of one market.
type opener struct {
	settings  config.Market
	ports     Ports
	calendars calendar.Lookup
	limiter   market.Limiter // nil where nothing is asked over a network
	market    *Market
}

func (o *opener) open(p part) (market.Provider, error) {
	switch p.kind {
	case "csv":
		o.market.Lists = true
		return provider(csvdir.New(csvdir.Config{Dir: p.dir, Calendars: o.calendars}))
	case "nse":
		o.market.Lists = true
		return o.nse(p)
	case "yahoo":
		return o.yahoo()
	}
	return provider(synthetic.New(synthetic.Config{}))
}

// nseMIC names the exchange of nse at the calendars.
const nseMIC = "XNSE"

// nse has its own archive, and no cache beside it.
func (o *opener) nse(p part) (market.Provider, error) {
	opened, dir, err := o.openNSE(p)
	if err != nil {
		return nil, err
	}
	o.market.closes = append(o.market.closes, opened)
	if p.downloads(o.settings) {
		bars := UsualBars
		if most := o.settings.NSEHistory; most > 0 {
			bars = min(bars, most)
		}
		o.market.archives = append(o.market.archives, &archive{opened, dir, bars, o.ports.Log})
	}
	return opened, nil
}

func (o *opener) openNSE(p part) (opened *nse.Provider, dir string, err error) {
	if dir = p.dir; dir == "" {
		if o.ports.DataDir == "" {
			return nil, "", errors.New("this program has no data directory; name the folder of the archive, nse:DIR, and --nse-download if it is to be filled")
		}
		dir = filepath.Join(o.ports.DataDir, NSEDir)
	}
	sessions, _ := o.calendars(nseMIC) // it is built in
	opened, err = nse.New(nse.Config{
		Dir: dir, Calendar: sessions, Download: p.downloads(o.settings), BaseURL: o.settings.NSEURL, Limiter: o.limiter,
		ActionsFile: o.settings.NSEActions, History: o.settings.NSEHistory, Logger: o.ports.Log,
	})
	return opened, dir, err
}

func (o *opener) yahoo() (market.Provider, error) {
	adjustment := market.Adjustment(o.settings.YahooAdjustment)
	opened, err := yahoo.New(yahoo.Config{
		Limiter: o.limiter, BaseURLs: o.settings.YahooURL, Adjustment: adjustment, Calendars: o.calendars, Log: o.ports.Log,
	})
	if err != nil {
		return nil, err
	}
	return provider(cache.New(opened, cache.Config{
		Store: o.ports.Cache, Variant: variant(adjustment, o.settings.YahooURL), Settle: yahoo.SettleTime, Calendars: o.calendars, Logger: o.ports.Log,
	}))
}

// variant keeps bars apart that differ by the adjustment, or by the servers that
// were asked where those are not Yahoo's own: a test's must not serve another.
func variant(adjustment market.Adjustment, urls []string) string {
	if len(urls) == 0 || slices.Equal(urls, yahoo.DefaultBaseURLs()) {
		return string(adjustment)
	}
	sum := sha256.Sum256([]byte(strings.Join(urls, " ")))
	return string(adjustment) + "-" + hex.EncodeToString(sum[:8])
}

// provider keeps a nil pointer from becoming a provider that is not nil.
func provider[P market.Provider](p P, err error) (market.Provider, error) {
	if err != nil {
		return nil, err
	}
	return p, nil
}
