// Package nse is a market.Provider over the daily files of the National Stock
// Exchange of India (bhavcopy): one file holds every share of one session, so
// a whole market costs as many downloads as days, not as many as tickers.
//
// The archive is a folder of these files under the exchange's own names, in
// the format since 2024-07-08 or the one before, packed or not:
//
//	BhavCopy_NSE_CM_0_0_0_20250512_F_0000.csv.zip  cm05JUL2024bhav.csv.zip
//
// It is the user's own, and then only read, or it is filled from the
// exchange's server. It is hot: new and changed files are seen without a
// restart, and one series is always made from one state of the folder.
//
// Prices in these files are raw. Splits and bonuses come from files of
// corporate actions (see actionFiles): each is held against the prices, taken
// out of all earlier bars and named in the series' notes. One that the
// exchange's previous close shows and no file explains is CodeBadData, because
// a verdict on it would be wrong. Dividends stay in the prices.
//
// A share whose symbol changed begins anew under the new one: the exchange's
// list of symbol changes is not read.
package nse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/market"
)

const (
	providerName = "nse"
	// fundPrefix is that of the ISINs of funds' units, sharePrefix of companies' shares.
	fundPrefix  = "INF"
	sharePrefix = "INE"
)

// DefaultBaseURL is the exchange's server of daily files.
const DefaultBaseURL = "https://nsearchives.nseindia.com"

// Config says where the files are and how they get there.
type Config struct {
	// Dir is the archive's folder. With Download it is made if it is missing.
	Dir string
	// Download lets the provider fetch missing days from BaseURL into Dir;
	// without it Dir is only read.
	Download bool
	// BaseURL is the server; empty means DefaultBaseURL.
	BaseURL string
	// HTTP makes the requests; nil means one of the provider's own, which goes
	// through the proxy that the environment names and follows no redirects. Each
	// request has a time limit in any case.
	HTTP *http.Client
	// Limiter grants each request; needed with Download. Whoever shares it
	// shares the rate.
	Limiter market.Limiter
	// Calendar says when the exchange is open; nil means the built-in one of XNSE.
	Calendar Calendar
	// ActionsFile is a file of corporate actions, beside those that lie in Dir
	// (actions.csv and CF-CA-*.csv); empty means there is none.
	ActionsFile string
	// History is how many of the newest sessions are served, and how many
	// Update fetches unless it is told otherwise; 0 means DefaultHistory, the most is MaxHistory.
	History int
	// Series are the exchange's series that are kept, the preferred first where
	// a symbol has several on one day; empty means EQ, BE, BZ, SM, ST.
	Series []string
	// MinRows is how many shares a downloaded file must hold; 0 means DefaultMinRows.
	MinRows int
	// Now is the clock; nil means time.Now. It decides what is fetched and
	// when, and whether a series is warned to end early; no bar comes of it.
	Now func() time.Time
	// Logger tells of downloads; nil means silence.
	Logger *slog.Logger
}

// A Provider delivers series from the archive. It is safe for concurrent use.
// Close ends the downloads that it began.
type Provider struct {
	dir     string
	archive *archive
	actions *actionFiles
	decoder *decoder
	queue   *queue // nil: the folder is only read
}

// New returns a provider over cfg.Dir. It fails when that is not a folder that
// can be opened, a setting is out of range, or a file of corporate actions
// cannot be read as a whole.
func New(cfg Config) (*Provider, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("opening NSE archive: %w", err)
	}
	p := &Provider{
		dir:     cfg.Dir,
		archive: &archive{calendar: cfg.Calendar, history: cfg.History, now: cfg.Now},
		actions: &actionFiles{dir: cfg.Dir, named: cfg.ActionsFile},
		decoder: newDecoder(cfg.Series),
	}
	if cfg.Download {
		p.queue = newQueue(newClient(cfg), cfg)
	}
	v, err := p.view("")
	if err != nil {
		return nil, fmt.Errorf("opening NSE archive %s: %w", cfg.Dir, err)
	}
	defer v.root.Close()
	if _, err := p.actions.load(v.actions); err != nil {
		return nil, fmt.Errorf("reading corporate actions: %w", err)
	}
	return p, nil
}

// complete fills in the defaults.
func (cfg *Config) complete() error {
	switch {
	case cfg.Dir == "":
		return errors.New("no folder is named")
	case cfg.History < 0 || cfg.History > MaxHistory:
		return fmt.Errorf("a history of %d sessions is not within 1 and %d", cfg.History, MaxHistory)
	case cfg.Download && cfg.Limiter == nil:
		return errors.New("downloads need a limiter")
	}
	if cfg.History == 0 {
		cfg.History = DefaultHistory
	}
	if cfg.MinRows == 0 {
		cfg.MinRows = DefaultMinRows
	}
	if len(cfg.Series) == 0 {
		cfg.Series = []string{"EQ", "BE", "BZ", "SM", "ST"}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	if cfg.Calendar == nil {
		built, ok := calendar.For("XNSE")
		if !ok {
			return errors.New("there is no calendar of XNSE")
		}
		cfg.Calendar = built
	}
	if cfg.ActionsFile != "" {
		path, err := filepath.Abs(cfg.ActionsFile)
		if err != nil {
			return err
		}
		cfg.ActionsFile = path
	}
	if cfg.Download {
		if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
			return err
		}
		return removeParts(cfg.Dir)
	}
	return nil
}

// Name implements market.Provider: "nse".
func (p *Provider) Name() string { return providerName }

// Close stops all downloads and waits for their end. Calls that wait for one
// fail; what is in the archive is still served.
func (p *Provider) Close() error {
	if p.queue != nil {
		p.queue.close()
		p.queue.client.close()
	}
	return nil
}

// Daily implements market.Provider. A symbol that no served day holds is
// CodeUnknownTicker, one that was last traded long ago CodeNoData, an empty
// archive CodeUnavailable; a wrong row within the
// window, an unusable file there, a split or bonus that no file explains or
// that the prices contradict is CodeBadData with file and line. Days that
// could not be fetched are CodeUnavailable, CodeRateLimited or CodeTimeout, with
// RetryAfter; fetching goes on after the caller has left.
func (p *Provider) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	if err := market.CheckRequest(ctx, ticker, bars); err != nil {
		return market.Series{}, err
	}
	symbol, listed := strings.CutSuffix(ticker, tickerSuffix)
	if !listed {
		return market.Series{}, unknown(ticker)
	}
	due, err := p.fetch(ctx, ticker, bars)
	if err != nil {
		return market.Series{}, err
	}
	v, err := p.view(ticker)
	if err != nil {
		return market.Series{}, err
	}
	defer v.root.Close()
	said, err := p.actions.load(v.actions)
	if err != nil {
		return market.Series{}, withTicker(err, ticker)
	}
	if len(v.days) == 0 {
		return market.Series{}, withTicker(p.empty(), ticker)
	}
	if err := v.preload(ctx, bars); err != nil {
		return market.Series{}, withTicker(err, ticker)
	}
	w := &walk{view: v, ticker: ticker, symbol: symbol, list: said[symbol]}
	if err := w.collect(ctx, bars); err != nil {
		return market.Series{}, err
	}
	if len(w.found) == 0 {
		return market.Series{}, unknown(ticker)
	}
	series, err := w.series()
	if late := v.late(p.archive.calendar, due); err == nil && late != "" {
		series.Warnings = append(series.Warnings, late)
	}
	return series, err
}

// empty is the error of an archive without any day. It is no word on a ticker,
// so that nobody takes another provider's answer for it.
func (p *Provider) empty() error {
	advice := "is it the right folder, and mounted? Put daily files into it, or have them downloaded"
	if p.queue != nil {
		advice = "the exchange has published none yet that was asked for"
	}
	return unavailable("", fmt.Errorf("the archive's folder %s holds no daily file such as %s; %s", p.dir, FileName(p.archive.now()), advice))
}

func unknown(ticker string) error {
	return &market.Error{Code: market.CodeUnknownTicker, Ticker: ticker, Err: errors.New("no day of the NSE archive holds this symbol")}
}

// Tickers implements market.Provider: every share that was listed on one of
// the newest days, sorted, but for the exchange's own test symbols and for the
// units of funds (ETFs), which Daily delivers to who names them. An empty
// archive is CodeUnavailable.
func (p *Provider) Tickers(ctx context.Context) ([]string, error) {
	if err := market.ContextError(ctx, ""); err != nil {
		return nil, err
	}
	if _, err := p.fetch(ctx, "", recentDays); err != nil {
		return nil, err
	}
	v, err := p.view("")
	if err != nil {
		return nil, err
	}
	defer v.root.Close()
	if len(v.days) == 0 {
		return nil, p.empty()
	}
	listed, units := map[uint32]struct{}{}, map[uint32]struct{}{}
	for i := max(0, len(v.days)-recentDays); i < len(v.days); i++ {
		c, err := v.load(i)
		if err != nil {
			return nil, err
		}
		for id, place := range c.at {
			if place == 0 {
				continue
			}
			listed[uint32(id)] = struct{}{}
			if strings.HasPrefix(p.decoder.isins.text(c.rows[place-1].isin), fundPrefix) {
				units[uint32(id)] = struct{}{}
			}
		}
		for id := range c.bad {
			listed[id] = struct{}{}
		}
	}
	tickers := []string{}
	for id := range listed {
		_, unit := units[id]
		if symbol := p.decoder.symbols.text(id); !unit && !strings.Contains(symbol, "NSETEST") {
			tickers = append(tickers, symbol+tickerSuffix)
		}
	}
	slices.Sort(tickers)
	return tickers, nil
}

// A view is the archive as one call sees it.
type view struct {
	*snapshot
	root    *os.Root
	decoder *decoder
}

// view opens the archive; the root must be closed.
func (p *Provider) view(ticker string) (*view, error) {
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return nil, withTicker(unavailable("", fmt.Errorf("opening the archive's folder: %w", err)), ticker)
	}
	s, err := p.archive.look(root)
	if err != nil {
		root.Close()
		return nil, withTicker(err, ticker)
	}
	return &view{snapshot: s, root: root, decoder: p.decoder}, nil
}

func (v *view) load(i int) (*content, error) { return v.days[i].load(v.root, v.decoder) }

// relation says how day i, whose content is given, stands to the one before.
func (v *view) relation(i int, c *content) relation {
	if i == 0 {
		return relation{}
	}
	before, err := v.load(i - 1)
	if err != nil {
		return relation{}
	}
	return v.days[i].after(c, before)
}

// preload reads the newest n days on all processors; without it the first
// caller would read one after the other. What is wrong with them is met later.
func (v *view) preload(ctx context.Context, n int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := len(v.days) - 1; i >= max(0, len(v.days)-n); i-- {
		if v.days[i].loaded() {
			continue
		}
		group.Go(func() error {
			if err := market.ContextError(ctx, ""); err != nil {
				return err
			}
			_, err := v.load(i)
			if err != nil && !isBadData(err) {
				return err
			}
			return nil
		})
	}
	return group.Wait()
}
