// Package universe says which tickers a named universe holds: the built-in
// ones, the lists that exchanges publish (fetched, kept in a folder, refreshed
// when old), and what the market's provider lists.
package universe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/tapedeck/tapedeck/internal/ticker"
)

var (
	// ErrUnknown is what an error about a name that is no universe matches; its
	// text names those that are.
	ErrUnknown = errors.New("unknown universe")

	// ErrUnavailable is what an error matches when a list can neither be fetched
	// nor is kept; its text says why and what to do.
	ErrUnavailable = errors.New("universe not available")

	// ErrCannotList is what a Lister returns (or wraps) when its provider takes
	// any ticker and has no list: then it is as if there were no Lister.
	ErrCannotList = errors.New("the provider has no list of its tickers")
)

// A Config is what a Source needs. Every field may be left out.
type Config struct {
	// Dir is the folder in which fetched lists are kept, a file each. It is made
	// when needed. Empty: they are kept in memory only.
	Dir string

	// NSEURL and NASDAQURL replace DefaultNSEURL and DefaultNASDAQURL, for a
	// mirror or a test.
	NSEURL, NASDAQURL string

	// UserAgent replaces DefaultUserAgent.
	UserAgent string

	// HTTP does the requests; default a client of its own. A request ends within
	// 15 s, or earlier by HTTP's own timeout.
	HTTP *http.Client

	// MaxAge is how old a fetched list may be before it is fetched again; default
	// DefaultMaxAge.
	MaxAge time.Duration

	// Lister lists every ticker that the market's provider has. Nil: there is no
	// universe all, and nse is the exchange's own list.
	Lister func(ctx context.Context) ([]string, error)

	// Now is the clock; default time.Now.
	Now func() time.Time

	// Log gets a line per list that was fetched, could not be kept, or is used
	// though old; default none.
	Log *slog.Logger
}

// A List is a universe as it was at a date.
type List struct {
	Name    string
	Date    string   // YYYY-MM-DD: the day on which the constituents were so
	Origin  string   // for people: where the tickers come from
	Warning string   // for people: why this list is older than it should be; else empty
	Tickers []string // canonical, each once; the caller's
}

// An Info describes a universe that can be asked for.
type Info struct {
	Name  string
	Title string // for people
	Date  string // of the constituents at hand, YYYY-MM-DD; empty when there are none yet
	Count int    // of the constituents at hand; 0 when there are none yet
}

// A Source answers which tickers a universe holds. It is safe for concurrent use.
type Source struct {
	cfg    Config
	flight singleflight.Group

	mu     sync.Mutex         // guards the two maps
	kept   map[string]copied  // without Config.Dir
	failed map[string]failure // the newest failed fetch of a list
}

// A failure is a fetch that failed.
type failure struct {
	at  time.Time
	err error
}

// Open returns a Source. It neither reads nor fetches anything yet.
func Open(cfg Config) *Source {
	if cfg.NSEURL == "" {
		cfg.NSEURL = DefaultNSEURL
	}
	if cfg.NASDAQURL == "" {
		cfg.NASDAQURL = DefaultNASDAQURL
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = DefaultUserAgent
	}
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{}
	}
	if cfg.MaxAge <= 0 {
		cfg.MaxAge = DefaultMaxAge
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Source{cfg: cfg, kept: map[string]copied{}, failed: map[string]failure{}}
}

// Names lists the universes that can be asked for, sorted by name, with what is
// at hand of them. It fetches nothing.
func (s *Source) Names() []Info {
	var all []Info
	for _, u := range ticker.Universes() {
		all = append(all, Info{Name: u.Name, Title: u.Source, Date: u.Date, Count: u.Count})
	}
	for _, l := range lists {
		info := Info{Name: l.name, Title: l.title}
		if kept, err := s.load(l.name); err == nil {
			info.Date, info.Count = day(kept.fetched), len(kept.tickers)
		}
		all = append(all, info)
	}
	if s.cfg.Lister == nil {
		all = append(all, Info{Name: nseAll, Title: "as " + nseEquity})
	} else {
		all = append(all,
			Info{Name: nseAll, Title: "what the market's provider lists on NSE"},
			Info{Name: providers, Title: "what the market's provider lists"})
	}
	slices.SortFunc(all, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Tickers returns the universe called name. A list of an exchange is fetched
// when it is not at hand or older than Config.MaxAge; when that fails, the copy
// at hand is returned with its date and a Warning. Errors match ErrUnknown or
// ErrUnavailable, or are the Lister's or ctx's, wrapped.
func (s *Source) Tickers(ctx context.Context, name string) (List, error) {
	for _, u := range ticker.Universes() {
		if u.Name == name {
			tickers, _ := ticker.Universe(name)
			return List{Name: name, Date: u.Date, Origin: "built in: " + u.Source, Tickers: tickers}, nil
		}
	}
	if l, ok := listOf(name); ok {
		return s.published(ctx, l)
	}
	if name == nseAll || name == providers && s.cfg.Lister != nil {
		return s.provided(ctx, name)
	}
	var known []string
	for _, info := range s.Names() {
		known = append(known, info.Name)
	}
	return List{}, fmt.Errorf("%w %q; known are %s", ErrUnknown, name, strings.Join(known, ", "))
}

// provided returns what the provider lists; for nse, that on NSE, or the
// exchange's list where the provider has none.
func (s *Source) provided(ctx context.Context, name string) (List, error) {
	if s.cfg.Lister == nil {
		return s.instead(ctx)
	}
	tickers, err := s.cfg.Lister(ctx)
	switch {
	case errors.Is(err, ErrCannotList) && name == nseAll:
		return s.instead(ctx)
	case errors.Is(err, ErrCannotList):
		return List{}, fmt.Errorf("%w: %s: %w; name a universe such as nifty50", ErrUnavailable, name, err)
	case err != nil:
		return List{}, fmt.Errorf("listing the provider's tickers: %w", err)
	}
	tickers = slices.Clone(tickers)
	if name == nseAll {
		tickers = slices.DeleteFunc(tickers, func(t string) bool { return ticker.ExchangeOf(t).MIC != "XNSE" })
	}
	if len(tickers) == 0 {
		return List{}, fmt.Errorf("%w: the market's provider lists no ticker for %s", ErrUnavailable, name)
	}
	return List{Name: name, Date: day(s.cfg.Now()), Origin: "what the market's provider lists", Tickers: tickers}, nil
}

// instead returns the exchange's list of all equities under the name nse.
func (s *Source) instead(ctx context.Context) (List, error) {
	l, _ := listOf(nseEquity)
	found, err := s.published(ctx, l)
	if err != nil {
		return List{}, err
	}
	found.Name, found.Origin = nseAll, nseEquity+", as the market's provider has no list: "+found.Origin
	return found, nil
}

// published returns a list of an exchange, at hand or fetched.
func (s *Source) published(ctx context.Context, l list) (List, error) {
	kept, loadErr := s.load(l.name)
	if loadErr == nil && s.fresh(kept) {
		return listed(l, kept, ""), nil
	}
	got, err := s.refresh(ctx, l)
	switch {
	case err == nil:
		return listed(l, got, ""), nil
	case loadErr == nil:
		s.cfg.Log.Warn("an old list is used, as it could not be refreshed", "universe", l.name, "date", day(kept.fetched), "err", err)
		return listed(l, kept, fmt.Sprintf("this list is of %s; refreshing it failed: %v", day(kept.fetched), err)), nil
	case ctx.Err() != nil:
		return List{}, fmt.Errorf("fetching %s: %w", l.name, ctx.Err())
	}
	return List{}, s.unavailable(l, err, loadErr)
}

// unavailable is the error of a list that could neither be fetched nor read. It
// goes to whoever asked, perhaps over HTTP; where the folder is concerns who runs
// this, and stands in the log.
func (s *Source) unavailable(l list, err, loadErr error) error {
	attrs := []any{"universe", l.name, "err", err}
	if s.cfg.Dir != "" {
		attrs = append(attrs, "file", s.path(l.name))
	}
	if !errors.Is(loadErr, fs.ErrNotExist) {
		if place, ok := errors.AsType[*fs.PathError](loadErr); ok {
			loadErr = place.Err
		}
		attrs = append(attrs, "copy", loadErr)
		err = fmt.Errorf("%w, and the copy at hand cannot be read: %w", err, loadErr)
	}
	s.cfg.Log.Warn("a list is not available; one that is put into its file is used as well", attrs...)
	return fmt.Errorf("%w: %s: %w; try again later, or name a built-in universe such as nifty50", ErrUnavailable, l.name, err)
}

// refresh fetches a list and keeps it, once for all who wait. It fails at once
// when the last try failed a moment ago. A caller whose ctx ends leaves the
// fetch to the others; it ends by its own timeout.
func (s *Source) refresh(ctx context.Context, l list) (copied, error) {
	s.mu.Lock()
	last, tried := s.failed[l.name]
	s.mu.Unlock()
	if tried && s.cfg.Now().Sub(last.at).Abs() < retryAfter {
		return copied{}, last.err
	}
	result := s.flight.DoChan(l.name, func() (any, error) {
		return s.fetchAndKeep(context.WithoutCancel(ctx), l)
	})
	select {
	case <-ctx.Done():
		return copied{}, ctx.Err()
	case r := <-result:
		got, _ := r.Val.(copied)
		return got, r.Err
	}
}

// fetchAndKeep fetches a list, compares it with the copy at hand, keeps it, and
// notes how that went.
func (s *Source) fetchAndKeep(ctx context.Context, l list) (copied, error) {
	kept, loadErr := s.load(l.name)
	if loadErr == nil && s.fresh(kept) { // another flight landed since the caller looked
		return kept, nil
	}
	tickers, err := s.fetch(ctx, l)
	if err == nil && float64(len(tickers)) < maxShrink*float64(len(kept.tickers)) {
		err = fmt.Errorf("fetching %s: the answer holds %d tickers where the copy of %s holds %d: cut off? Remove that copy to accept it",
			l.name, len(tickers), day(kept.fetched), len(kept.tickers))
	}
	now := s.cfg.Now()
	s.mu.Lock()
	if err != nil {
		s.failed[l.name] = failure{now, err}
	} else {
		delete(s.failed, l.name)
	}
	s.mu.Unlock()
	if err != nil {
		return copied{}, err
	}
	got := copied{fetched: now, source: s.url(l), tickers: tickers}
	if err := s.save(l.name, got); err != nil { // the list is good all the same
		s.cfg.Log.Warn("a universe was fetched but could not be kept", "universe", l.name, "err", err)
	}
	s.cfg.Log.Info("universe fetched", "universe", l.name, "tickers", len(tickers))
	return got, nil
}

// fresh reports whether a copy is young enough.
func (s *Source) fresh(c copied) bool { return s.cfg.Now().Sub(c.fetched).Abs() < s.cfg.MaxAge }

// listed returns a kept list as a List.
func listed(l list, c copied, warning string) List {
	return List{
		Name: l.name, Date: day(c.fetched), Warning: warning, Tickers: slices.Clone(c.tickers),
		Origin: fmt.Sprintf("%s, fetched %s from %s", l.title, day(c.fetched), c.source),
	}
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
