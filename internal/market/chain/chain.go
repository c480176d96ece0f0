// Package chain asks several providers for a series, one after the other, and
// takes it from the first that has the ticker.
package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tapedeck/tapedeck/internal/market"
)

// A Provider is a chain of providers, in order of preference. Only one that
// says that it does not have a ticker (unknown_ticker, no_data) is passed
// over. Every other failure is the answer: if an outage or a refusal of the
// first let the second answer, the same question would get other bars,
// adjusted in another way, by the luck of the hour; and bad data that one
// provider found must not become a verdict by another's that does not look.
// What may pass is tried again by the caller.
//
// The series is the delivering provider's own, its name included; its notes
// begin with who was asked before. Safe for concurrent use.
type Provider struct {
	providers []market.Provider
	name      string
}

var _ market.Provider = (*Provider)(nil)

// New chains at least one provider; it fails without any.
func New(providers ...market.Provider) (*Provider, error) {
	if len(providers) == 0 {
		return nil, errors.New("a chain of providers needs at least one")
	}
	names := make([]string, len(providers))
	for i, p := range providers {
		names[i] = p.Name()
	}
	return &Provider{providers: slices.Clone(providers), name: strings.Join(names, ",")}, nil
}

// Name implements market.Provider: the names of all, "nse,yahoo". A series
// bears the name of the one that delivered it.
func (c *Provider) Name() string { return c.name }

// Daily implements market.Provider. If none has the ticker the error says what
// each said: CodeNoData if at least one knows the ticker, else CodeUnknownTicker.
func (c *Provider) Daily(ctx context.Context, ticker string, bars int) (market.Series, error) {
	if err := market.CheckRequest(ctx, ticker, bars); err != nil {
		return market.Series{}, err
	}
	var notes []string
	var refusals []refusal
	for _, p := range c.providers {
		series, err := p.Daily(ctx, ticker, bars)
		if err == nil {
			series.Notes = append(notes, series.Notes...)
			return series, nil
		}
		fault, ok := errors.AsType[*market.Error](err)
		if !ok || fault.Code != market.CodeUnknownTicker && fault.Code != market.CodeNoData {
			return market.Series{}, err
		}
		notes = append(notes, fmt.Sprintf("%s was asked first: %s", p.Name(), fault.Code))
		refusals = append(refusals, refusal{p.Name(), fault})
	}
	return market.Series{}, summary(ticker, refusals)
}

// A refusal is one provider's word that it does not have the ticker.
type refusal struct {
	provider string
	fault    *market.Error
}

// summary is the error of a ticker that nobody has; a single provider's own.
func summary(ticker string, refusals []refusal) error {
	if len(refusals) == 1 {
		return refusals[0].fault
	}
	code := market.CodeUnknownTicker
	causes := make([]error, len(refusals))
	for i, r := range refusals {
		if r.fault.Code == market.CodeNoData {
			code = market.CodeNoData
		}
		where := ""
		if r.fault.Where != "" {
			where = r.fault.Where + ": "
		}
		causes[i] = fmt.Errorf("%s: %s%w", r.provider, where, r.fault.Err)
	}
	return &market.Error{Code: code, Ticker: ticker, Err: joined(causes)}
}

// joined is several causes on one line.
type joined []error

func (j joined) Error() string {
	texts := make([]string, len(j))
	for i, err := range j {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (j joined) Unwrap() []error { return j }

// Tickers implements market.Provider: all that those list that can list. It
// fails if one of these fails, because a list with a part missing looks whole.
func (c *Provider) Tickers(ctx context.Context) ([]string, error) {
	if err := market.ContextError(ctx, ""); err != nil {
		return nil, err
	}
	var all []string
	var cannot error
	lists := false
	for _, p := range c.providers {
		tickers, err := p.Tickers(ctx)
		if fault, ok := errors.AsType[*market.Error](err); ok && fault.Code == market.CodeInvalid {
			cannot = err
			continue
		}
		if err != nil {
			return nil, err
		}
		lists = true
		all = append(all, tickers...)
	}
	if !lists {
		return nil, cannot
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
