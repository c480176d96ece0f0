package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/internal/config"
	"github.com/tapedeck/tapedeck/internal/market/limit"
	"github.com/tapedeck/tapedeck/internal/market/nse"
)

const (
	// UsualBars is what a job asks for unless it says otherwise; an archive is
	// filled for so many before anybody has asked.
	UsualBars = 400
	// refillEvery is the wait before days that failed are asked for again: as
	// long as a server that fails is left alone.
	refillEvery = time.Minute
)

// An archive is a folder of daily files that is filled from a server.
type archive struct {
	provider *nse.Provider
	dir      string
	bars     int // for which it is filled
	log      *slog.Logger
}

// Run does what the market has to do before anybody asks: it fills the archives
// for the usual number of bars, and says at each tenth how far that is. It
// blocks until ctx ends and returns nil. Jobs need not wait for it.
func (m *Market) Run(ctx context.Context) error {
	var fills sync.WaitGroup
	for _, a := range m.archives {
		fills.Go(func() { a.fill(ctx) })
	}
	fills.Wait()
	<-ctx.Done()
	return nil
}

// fill repeats until no day fails, or the provider can no longer be asked.
func (a *archive) fill(ctx context.Context) {
	for {
		began := time.Now()
		tenth := -1
		done, err := a.provider.Update(ctx, nse.Span{Bars: a.bars}, func(f nse.Filling) {
			if now := 10 * f.Done() / max(f.Sessions, 1); now != tenth && f.Done() < f.Sessions {
				tenth = now
				a.log.Info(fmt.Sprintf("filling the archive: %d of %d days", f.Done(), f.Sessions), "stage", "archive", "folder", a.dir)
			}
		})
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && done.Fetched > 0:
			a.log.Info(fmt.Sprintf("the archive is filled: %d of %d days fetched, %d without a file", done.Fetched, done.Sessions, done.Missing),
				"stage", "archive", "folder", a.dir, "elapsed", time.Since(began).Round(time.Millisecond))
			return
		case err == nil:
			return
		}
		a.log.Warn(fmt.Sprintf("the archive is not filled: %d of %d days failed; trying again in %s", done.Failed, done.Sessions, refillEvery),
			"stage", "archive", "folder", a.dir, "err", err)
		timer := time.NewTimer(refillEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// ErrNoArchive says that a market keeps no daily files that could be fetched
// before they are asked for.
var ErrNoArchive = errors.New("it has no archive; only nse and nse:DIR have one, the others are asked for a ticker's bars when a job needs them")

// OpenArchive opens the archive of daily files in the setting's market so that
// it can be filled, also one that the setting only reads, and returns it with
// its folder. Of a chain it opens nothing else; one with two archives is an
// error. Close the provider.
func OpenArchive(s config.Market, ports Ports) (*nse.Provider, string, error) {
	parts, err := parse(s.Market)
	if err != nil {
		return nil, "", err
	}
	var found []part
	for _, p := range parts {
		if p.kind == "nse" {
			found = append(found, p)
		}
	}
	switch {
	case len(found) == 0:
		return nil, "", fmt.Errorf("opening --market %s: %w", s.Market, ErrNoArchive)
	case len(found) > 1:
		return nil, "", fmt.Errorf("opening --market %s: it has %d archives; name one at a time", s.Market, len(found))
	}
	if ports.Log == nil {
		ports.Log = slog.New(slog.DiscardHandler)
	}
	s.NSEDownload = true
	o := opener{settings: s, ports: ports}
	if o.calendars, err = calendars(s.Calendar); err != nil {
		return nil, "", err
	}
	if o.limiter, err = limit.New(limit.Config{Rate: s.MarketRate, Books: ports.Books}); err != nil {
		return nil, "", fmt.Errorf("reading --market-rate: %w", err)
	}
	provider, dir, err := o.openNSE(found[0])
	if err != nil {
		return nil, "", fmt.Errorf("opening --market %s: %w", s.Market, err)
	}
	return provider, dir, nil
}
