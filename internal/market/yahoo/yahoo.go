// Package yahoo is a market.Provider over the chart endpoint of Yahoo Finance:
//
//	GET https://query1.finance.yahoo.com/v8/finance/chart/TCS.NS?interval=1d&period1=..&period2=..&events=div,splits
//
// One request gives the daily bars of one ticker; a second one, for its whole
// history, follows when the range was too short for the bars asked for. Prices
// are what Yahoo quotes: splits taken out, dividends on request (Config.Adjustment).
// What it reports of splits stands in the series' notes and is held against the
// prices. A bar is delivered only when its session has closed, by the exchange's
// calendar or, for other exchanges, by the trading period that the answer names,
// and SettleTime has passed. Days without a price are left out and counted in a
// warning, a volume that is not there is 0 and counted, a pence quote (GBp) is
// turned into pounds.
//
// The endpoint is not documented, has no contract and refuses who asks too
// often: with a 429 that is no JSON, sticks to the address for minutes, and is
// answered here by pausing everybody who shares the Limiter. Nothing goes out
// without a grant of it, tries again included. What fails as servers fail is
// tried again a little later, on the other host if there is one, and hosts that
// keep failing are left alone for a while (a circuit breaker each).
//
// Yahoo spells some tickers differently: a dot that is not the exchange's is a
// dash (BRK.B is BRK-B, RCI.B.TO is RCI-B.TO). The series bears the ticker that
// was asked for. Tickers with a slash are unknown: a coin is BTC-USD there, a
// pair of currencies EURUSD=X.
package yahoo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/market"
)

// ProviderName is the provider's name in lineages, and at the Limiter.
const ProviderName = "yahoo"

// DefaultUserAgent says honestly who asks, in the form that Yahoo answers:
// names of tools alone (curl/8) are refused as too many requests.
const DefaultUserAgent = "Mozilla/5.0 (compatible; tapedeck; +https://github.com/tapedeck/tapedeck)"

// DefaultBaseURLs are the two hosts of the endpoint.
func DefaultBaseURLs() []string {
	return []string{"https://query1.finance.yahoo.com", "https://query2.finance.yahoo.com"}
}

// Config says whom to ask and how. Only Limiter is needed.
type Config struct {
	// Limiter grants every request; without one there is no provider.
	Limiter market.Limiter
	// BaseURLs are the hosts, scheme included; the first is asked first, the
	// others when a try has failed. Nil means DefaultBaseURLs.
	BaseURLs []string
	// HTTP is the client; nil means one that honours the proxy settings of the
	// environment and keeps few connections. Redirects are never followed.
	HTTP *http.Client
	// UserAgent replaces DefaultUserAgent.
	UserAgent string
	// Adjustment is what prices are adjusted for: AdjustmentSplits (also when
	// empty), as quoted, or AdjustmentSplitsDividends, by Yahoo's adjusted close.
	Adjustment market.Adjustment
	// Calendars are those by which sessions close; nil means calendar.For.
	Calendars calendar.Lookup
	// Now is the clock that decides which sessions have closed and up to when
	// bars are asked for; nil means time.Now. Pauses and retries go by the
	// machine's own clock.
	Now func() time.Time
	// Log hears of pauses and of hosts that fail; nil means silence.
	Log *slog.Logger

	// RequestTime bounds one request; 0 means 12 s.
	RequestTime time.Duration
	// RetryWait is the wait before the second try; 0 means 1 s.
	RetryWait time.Duration
	// FirstPause is how long everybody pauses after a first 429, doubling up
	// to 15 minutes; 0 means 1 minute.
	FirstPause time.Duration
}

// A Provider delivers series from Yahoo. It is safe for concurrent use.
type Provider struct {
	cfg    Config
	client *http.Client
	hosts  []*host
	pauses pauses
}

// New returns a provider. It asks nothing yet; it fails when cfg lacks a
// limiter, an address is not http(s)://host, or the adjustment is not one of the two.
func New(cfg Config) (*Provider, error) {
	if cfg.Limiter == nil {
		return nil, errors.New("opening yahoo: a limiter is missing; without one every analyzer would ask as it likes")
	}
	if err := cfg.fill(); err != nil {
		return nil, fmt.Errorf("opening yahoo: %w", err)
	}
	p := &Provider{cfg: cfg, client: quiet(cfg.HTTP)}
	p.pauses.first, p.pauses.longest = cfg.FirstPause, max(cfg.FirstPause, longestPause)
	for _, base := range cfg.BaseURLs {
		h, err := newHost(base, cfg.Log)
		if err != nil {
			return nil, fmt.Errorf("opening yahoo: %w", err)
		}
		p.hosts = append(p.hosts, h)
	}
	return p, nil
}

// fill puts the defaults where nothing is set.
func (c *Config) fill() error {
	switch c.Adjustment {
	case "":
		c.Adjustment = market.AdjustmentSplits
	case market.AdjustmentSplits, market.AdjustmentSplitsDividends:
	default:
		return fmt.Errorf("adjustment %q is neither %s nor %s", c.Adjustment, market.AdjustmentSplits, market.AdjustmentSplitsDividends)
	}
	if len(c.BaseURLs) == 0 {
		c.BaseURLs = DefaultBaseURLs()
	}
	if c.HTTP == nil {
		c.HTTP = defaultClient()
	}
	if c.UserAgent == "" {
		c.UserAgent = DefaultUserAgent
	}
	if c.Calendars == nil {
		c.Calendars = calendar.For
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	for _, setting := range []struct {
		value    *time.Duration
		standard time.Duration
	}{{&c.RequestTime, requestTime}, {&c.RetryWait, retryWait}, {&c.FirstPause, firstPause}} {
		if *setting.value <= 0 {
			*setting.value = setting.standard
		}
	}
	return nil
}

// Name implements market.Provider: "yahoo".
func (p *Provider) Name() string { return ProviderName }

// Tickers implements market.Provider: Yahoo cannot list what it has, so this
// is always an *Error with CodeInvalid.
func (p *Provider) Tickers(context.Context) ([]string, error) {
	return nil, &market.Error{Code: market.CodeInvalid, Err: errors.New("yahoo cannot list its tickers; name a universe or the tickers")}
}

// Daily implements market.Provider. CodeUnknownTicker is said after a second
// look, CodeNoData when there is no bar at all, CodeBadData when the answer
// cannot be right: unequal columns, wrong prices, a reported split that is
// still in them. CodeRateLimited, CodeUnavailable and CodeTimeout come with
// RetryAfter where it is known. Where is the address without its query.
func (p *Provider) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	if err := market.CheckRequest(ctx, ticker, bars); err != nil {
		return market.Series{}, err
	}
	symbol, err := symbolOf(ticker)
	if err != nil {
		return market.Series{}, &market.Error{Code: market.CodeUnknownTicker, Ticker: ticker, Err: err}
	}
	q := question{ticker: ticker, symbol: symbol, now: p.cfg.Now(), days: daysFor(bars)}
	found, err := p.rows(ctx, q)
	if err != nil {
		return market.Series{}, err
	}
	if q.days < maxDays && len(found.complete) < bars && found.olderThan(q.from()) {
		q.days = maxDays
		if found, err = p.rows(ctx, q); err != nil {
			return market.Series{}, err
		}
	}
	return found.series(bars)
}

// rows asks q and reads the answer.
func (p *Provider) rows(ctx context.Context, q question) (table, error) {
	answer, where, err := p.ask(ctx, q)
	if err != nil {
		return table{}, err
	}
	found, err := read(answer, q, p.cfg.Adjustment, p.cfg.Calendars)
	if err != nil {
		return table{}, &market.Error{Code: market.CodeBadData, Ticker: q.ticker, Where: where, Err: err}
	}
	found.where = where
	return found, nil
}

// A question is one request: the daily bars of a ticker in a range of dates
// that ends now.
type question struct {
	ticker string // as asked for
	symbol string // as Yahoo spells it
	now    time.Time
	days   int
}

// from is the start of the range, at a day's start so that the same question
// has the same address all day; to is its end, past every exchange's today.
func (q question) from() time.Time { return q.to().AddDate(0, 0, -q.days) }
func (q question) to() time.Time {
	return q.now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 2)
}

// path is the address below the host, without the query.
func (q question) path() string { return "/v8/finance/chart/" + url.PathEscape(q.symbol) }

func (q question) query() string {
	return fmt.Sprintf("interval=1d&period1=%d&period2=%d&events=div%%2Csplits&includePrePost=false", q.from().Unix(), q.to().Unix())
}

// daysFor is the calendar days in which bars sessions surely lie, unless the
// ticker trades seldom.
func daysFor(bars int) int {
	return int(min(maxDays, float64(bars)*daysPerBar+extraDays))
}
