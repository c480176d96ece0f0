// Package csvdir is a market.Provider over a folder with one file per ticker:
//
//	TCS.NS.csv  M&M.NS.csv  ^NSEI.csv  BTC%2FUSD.csv
//
// The name is the ticker with '/' written as %2F. A file is CSV with a header:
// Date, Open, High, Low, Close, Volume and, perhaps, Adj Close, in any order
// and case, '_' and spaces ignored; other columns are not read. Rows are
// complete sessions, oldest first, dates as 2006-01-02 and none of them after
// the exchange's today. One faulty row makes the file unusable, and the error
// names file, line and reason.
//
// What the prices are adjusted for is the series' lineage. Files with Adj
// Close carry dividends in that column, so their OHLC, which is what is
// delivered, is adjusted for splits alone, or for nothing if an optional
// market.json in the folder says "none". Files without it say nothing:
// market.json says it for them, else it is "unknown". It may also name the
// currency of tickers whose suffix does not (.NS and .BO are INR):
//
//	{"adjustment": "splits_dividends", "currency": "USD"}
//
// The folder is hot: each request looks at the files again, also when the
// whole folder has been replaced. Writers should write beside and rename; a
// file that changes while it is read is provider_unavailable, which is retried.
package csvdir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/lru"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

const (
	providerName = "csvdir"
	extension    = ".csv"
)

// Config says where the files are.
type Config struct {
	// Dir is the folder. It may be a symbolic link; links inside it that lead
	// out of it are refused.
	Dir string
	// Now is the clock against which files' times are held, and the dates in
	// them, which must have come; nil means time.Now. It never enters a series.
	Now func() time.Time
	// Calendars are the exchanges' sessions; nil means the built-in ones.
	Calendars calendar.Lookup
}

// A Provider delivers series from a folder. It is safe for concurrent use and
// holds nothing open between calls.
type Provider struct {
	dir       string
	now       func() time.Time
	calendars calendar.Lookup

	mu    sync.Mutex // guards files
	files *lru.Map[string, parsed]

	listing listing
}

// parsed is a file as it was when read; its bars are never changed.
type parsed struct {
	info     fs.FileInfo
	adjusted bool // has an Adj Close column
	bars     []market.Bar
}

// New returns a provider over cfg.Dir. It fails when that is not a folder that
// can be opened, or its market.json is malformed.
func New(cfg Config) (*Provider, error) {
	p := &Provider{dir: cfg.Dir, now: cfg.Now, calendars: cfg.Calendars, files: lru.New[string, parsed](maxCachedBars)}
	if p.now == nil {
		p.now = time.Now
	}
	if p.calendars == nil {
		p.calendars = calendar.For
	}
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening market folder: %w", err)
	}
	defer root.Close()
	if _, err := readSettings(root); err != nil {
		return nil, fmt.Errorf("reading market folder %s: %w", cfg.Dir, err)
	}
	return p, nil
}

// Name implements market.Provider: "csvdir".
func (p *Provider) Name() string { return providerName }

// Daily implements market.Provider. No file is CodeUnknownTicker, a file
// without rows CodeNoData, a malformed one CodeBadData, an unreadable folder or
// file CodeUnavailable; Where is the file's name and, if one is to blame, line.
// The whole file is checked, also rows older than those asked for.
func (p *Provider) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	if err := market.CheckRequest(ctx, ticker, bars); err != nil {
		return market.Series{}, err
	}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return market.Series{}, fault(market.CodeUnavailable, ticker, "", fmt.Errorf("opening market folder: %w", err))
	}
	defer root.Close()
	settings, err := readSettings(root)
	if err != nil {
		return market.Series{}, withTicker(err, ticker)
	}
	file, err := p.load(root, ticker)
	if err != nil {
		return market.Series{}, err
	}
	twins := p.twins(root, ticker, file)
	if err := market.ContextError(ctx, ticker); err != nil {
		return market.Series{}, err
	}
	tail := slices.Clone(file.bars[max(0, len(file.bars)-bars):])
	warnings, err := market.Validate(ticker, tail)
	if err != nil {
		return market.Series{}, err
	}
	for _, warning := range []string{p.closed(ticker, tail), twins} {
		if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	series := market.Series{
		Ticker: ticker, Provider: providerName,
		Adjustment: settings.Adjustment, Currency: settings.Currency,
		Bars: tail, Warnings: warnings,
	}
	if file.adjusted && series.Adjustment != market.AdjustmentNone {
		series.Adjustment = market.AdjustmentSplits
	}
	if currency := market.ListingCurrency(ticker); currency != "" {
		series.Currency = currency
	}
	return series, nil
}

// load returns the ticker's file, from memory if it has not changed.
func (p *Provider) load(root *os.Root, ticker string) (parsed, error) {
	name := fileName(ticker)
	file, err := openRegular(root, name)
	if err != nil {
		return parsed{}, openingFault(err, ticker, name)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return parsed{}, fault(market.CodeUnavailable, ticker, name, err)
	}
	p.mu.Lock()
	cached, ok := p.files.Get(ticker)
	p.mu.Unlock()
	if ok && same(cached.info, info) {
		return cached, nil
	}
	fresh, err := p.parse(file, info, ticker, name)
	if err != nil {
		return parsed{}, err
	}
	if p.now().Sub(info.ModTime()) > settleTime {
		p.mu.Lock()
		p.files.Put(ticker, fresh, len(fresh.bars))
		p.mu.Unlock()
	}
	return fresh, nil
}

// parse reads and checks a file whose state before reading was info.
func (p *Provider) parse(file *os.File, info fs.FileInfo, ticker, name string) (parsed, error) {
	data, err := readAll(file, info, maxFileBytes)
	if err != nil {
		return parsed{}, readingFault(err, ticker, name)
	}
	table, err := decode(data)
	if err != nil {
		return parsed{}, fault(codeOf(err), ticker, place(name, err), err)
	}
	_, err = market.Validate(ticker, table.bars)
	if err == nil {
		err = market.CheckDates(ticker, table.bars, p.today(ticker))
	}
	if err != nil {
		where := name
		if bar, ok := errors.AsType[*market.BarError](err); ok {
			where = fmt.Sprintf("%s:%d", name, table.lines[bar.Index])
			err = bar
		}
		return parsed{}, fault(market.CodeBadData, ticker, where, err)
	}
	return parsed{info: info, adjusted: table.adjusted, bars: table.bars}, nil
}

// today is the latest date that a bar of ticker may have now: the exchange's own,
// or tomorrow's in UTC where the exchange is not known, which no zone is past.
func (p *Provider) today(name string) time.Time {
	if sessions, known := p.calendars(ticker.ExchangeOf(name).MIC); known {
		return sessions.Date(p.now())
	}
	return p.now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
}

// closed warns of bars on days on which the exchange was closed, or is empty: of
// dates that its calendar knows only.
func (p *Provider) closed(name string, bars []market.Bar) string {
	sessions, known := p.calendars(ticker.ExchangeOf(name).MIC)
	if !known {
		return ""
	}
	from, to := sessions.Known()
	n, newest := 0, time.Time{}
	for i := range bars {
		if d := bars[i].Date; !d.Before(from) && !d.After(to) && !sessions.IsSession(d) {
			n, newest = n+1, d
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d bars on days without a session, the newest %s", n, newest.Format(time.DateOnly))
}

// Tickers implements market.Provider: every file whose name is a ticker's,
// sorted. Other files are passed over; whether a file can be read is not asked.
func (p *Provider) Tickers(ctx context.Context) ([]string, error) {
	if err := market.ContextError(ctx, ""); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return nil, fault(market.CodeUnavailable, "", "", fmt.Errorf("opening market folder: %w", err))
	}
	defer root.Close()
	entries, err := readFolder(root)
	if err != nil {
		return nil, err
	}
	tickers := []string{}
	for _, entry := range entries {
		if ticker, ok := tickerOf(entry.Name()); ok && isRegular(root, entry) {
			tickers = append(tickers, ticker)
		}
	}
	slices.Sort(tickers)
	return tickers, nil
}

// readFolder lists the folder.
func readFolder(root *os.Root) ([]fs.DirEntry, error) {
	folder, err := root.Open(".")
	if err != nil {
		return nil, fault(market.CodeUnavailable, "", "", fmt.Errorf("opening market folder: %w", err))
	}
	defer folder.Close()
	entries, err := folder.ReadDir(maxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) { // EOF: the folder is empty
		return nil, fault(market.CodeUnavailable, "", "", fmt.Errorf("listing market folder: %w", err))
	}
	if len(entries) > maxFiles {
		return nil, fault(market.CodeBadData, "", "", fmt.Errorf(
			"the market folder has more than %d entries; spread them over several folders", maxFiles))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// isRegular also follows links that stay within the folder.
func isRegular(root *os.Root, entry fs.DirEntry) bool {
	if entry.Type()&fs.ModeSymlink == 0 {
		return entry.Type().IsRegular()
	}
	info, err := root.Stat(entry.Name())
	return err == nil && info.Mode().IsRegular()
}

// fileName is the name of a legal ticker's file. '%' is in no ticker, so no
// two tickers share a name.
func fileName(ticker string) string {
	return strings.ReplaceAll(ticker, "/", "%2F") + extension
}

// tickerOf is the reverse of fileName; false for any other file's name.
func tickerOf(name string) (string, bool) {
	stem, ok := strings.CutSuffix(name, extension)
	ticker := strings.ReplaceAll(stem, "%2F", "/")
	return ticker, ok && market.LegalTicker(ticker) && fileName(ticker) == name
}
