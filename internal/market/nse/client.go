package nse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/sony/gobreaker/v2"

	"github.com/tapedeck/tapedeck/internal/market"
)

// errAbsent is the server's word that it has no file of a date.
var errAbsent = errors.New("the exchange has no file of this date")

// A client fetches daily files into the archive, politely.
type client struct {
	base    string
	http    *http.Client
	limiter market.Limiter
	breaker *gobreaker.CircuitBreaker[[]byte]
	series  []string
	own     bool // whether http is this client's alone
	dir     string
	minRows int
	now     func() time.Time
	last    atomic.Value // string: how the last request failed
	trips   atomic.Int64 // how often the breaker has opened since the last success
	retry   time.Duration
	pauses  pauses
	halt    func(time.Duration) // hears of pauses; set before the first request
}

func newClient(cfg Config) *client {
	c := &client{
		base: strings.TrimSuffix(cfg.BaseURL, "/"), http: cfg.HTTP, limiter: cfg.Limiter, series: cfg.Series,
		dir: cfg.Dir, minRows: cfg.MinRows, now: cfg.Now, retry: retryBase,
	}
	if c.http == nil {
		c.own = true
		c.http = &http.Client{
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: requestTime},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	c.breaker = gobreaker.NewCircuitBreaker[[]byte](gobreaker.Settings{
		Name:        providerName,
		Timeout:     breakerTime,
		ReadyToTrip: func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= breakerFailures },
		IsSuccessful: func(err error) bool {
			return err == nil || errors.Is(err, errAbsent) || errors.Is(err, context.Canceled)
		},
		OnStateChange: func(_ string, _, to gobreaker.State) {
			switch to {
			case gobreaker.StateOpen:
				c.trips.Add(1)
			case gobreaker.StateClosed:
				c.trips.Store(0)
			}
		},
		// What the limiter refuses never reached the server, and a 429 is the
		// limiter's to heed.
		IsExcluded: func(err error) bool { return errors.Is(err, errNoGrant) || isLimited(err) },
	})
	return c
}

// close gives up the connections that are kept for later requests.
func (c *client) close() {
	if c.own {
		c.http.CloseIdleConnections()
	}
}

// errNoGrant marks a request that the limiter did not grant.
var errNoGrant = errors.New("no grant for a request")

// fetch gets the file of a date into the archive. It fails with errAbsent when
// the server has none, else with a *market.Error that may pass.
func (c *client) fetch(ctx context.Context, d date) error {
	exponential := backoff.NewExponentialBackOff()
	exponential.InitialInterval, exponential.MaxInterval, exponential.Multiplier = c.retry, retryMax, 2
	data, err := backoff.Retry(ctx, func() ([]byte, error) { return c.attempt(ctx, d) },
		backoff.WithBackOff(exponential), backoff.WithMaxTries(fetchTries))
	if err != nil {
		return c.classify(ctx, d, err)
	}
	if data == nil {
		return nil // another program has put it there
	}
	if err := writeFile(c.dir, fileName(d), data); err != nil {
		return unavailable(fileName(d), fmt.Errorf("storing the file in the archive: %w", err))
	}
	return nil
}

// classify turns what is left of an error after all tries into the caller's.
func (c *client) classify(ctx context.Context, d date, err error) error {
	if errors.Is(err, errAbsent) {
		return errAbsent
	}
	if ctx.Err() != nil {
		return unavailable(c.url(d), errors.New("the provider was closed meanwhile"))
	}
	if met, ours := errors.AsType[*market.Error](err); ours {
		return met
	}
	if isOutage(err) {
		err = fmt.Errorf("the exchange's server failed %d times in a row and is left alone for %s (%w); last: %v", breakerFailures, breakerTime, err, c.last.Load())
		return &market.Error{Code: market.CodeUnavailable, Where: c.url(d), Err: err, RetryAfter: c.outage()}
	}
	return unavailable(c.url(d), fmt.Errorf("%w; or put the file into the archive's folder by hand", err))
}

// isOutage reports whether a day could not be had because the server is left
// alone, be it that another's request is trying whether it is back.
func isOutage(err error) bool {
	return errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)
}

// outage is how long callers had better stay away from a server that keeps
// failing: longer with each time that it was left alone in vain, so that they
// do not spend their attempts on one outage.
func (c *client) outage() time.Duration {
	return min(breakerTime<<min(max(c.trips.Load()-1, 0), 8), maxRefusedPause)
}

// has reports whether the archive has a day's file: several programs may share it.
func (c *client) has(d date) bool {
	path := filepath.Join(c.dir, fileName(d))
	for _, path := range []string{path, strings.TrimSuffix(path, zipSuffix)} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// attempt asks once; no data and no error mean that the file is there by now. What a second try cannot better is backoff.Permanent; after
// a 429 the limiter holds the next try back for as long as the server asked.
func (c *client) attempt(ctx context.Context, d date) ([]byte, error) {
	data, err := c.breaker.Execute(func() ([]byte, error) {
		if err := c.limiter.Wait(ctx, providerName); err != nil {
			return nil, fmt.Errorf("%w: %w", errNoGrant, err)
		}
		if c.has(d) { // meanwhile: the wait may have been long
			return nil, nil
		}
		data, err := c.request(ctx, d)
		if err != nil {
			c.last.Store(err.Error())
		}
		return data, err
	})
	switch {
	case errors.Is(err, errAbsent), errors.Is(err, errNoGrant), errors.Is(err, errRefused), errors.Is(err, gobreaker.ErrOpenState):
		return nil, backoff.Permanent(err) // not so ErrTooManyRequests: another's request is trying whether the server is back
	}
	return data, err
}

// errRefused is a 401 or 403: the same request will be refused again.
var errRefused = errors.New("the exchange's server refuses requests from here")

func isLimited(err error) bool {
	met, ok := errors.AsType[*market.Error](err)
	return ok && met.Code == market.CodeRateLimited
}

func (c *client) url(d date) string { return c.base + FilePath(d.time()) }

// request makes one request and checks all of its answer.
func (c *client) request(ctx context.Context, d date) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(d), nil)
	if err != nil {
		return nil, err
	}
	// The server refuses what does not look like a browser.
	request.Header.Set("User-Agent", "Mozilla/5.0 (compatible; tapedeck; +https://github.com/tapedeck/tapedeck)")
	request.Header.Set("Accept", "application/zip,application/octet-stream,*/*;q=0.8")
	request.Header.Set("Accept-Language", "en-US,en;q=0.9")
	request.Header.Set("Referer", "https://www.nseindia.com/all-reports")
	sent := c.now()
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusTooManyRequests {
		c.pauses.answered(sent)
	}
	switch {
	case answer.StatusCode == http.StatusNotFound:
		return nil, errAbsent
	case answer.StatusCode == http.StatusTooManyRequests:
		return nil, c.refused(ctx, d, sent, answer.Header.Get("Retry-After"))
	case answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden:
		return nil, fmt.Errorf("%w: %s", errRefused, answer.Status)
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the exchange's server answered %s", answer.Status)
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswerBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if err := c.verify(data, d); err != nil {
		return nil, fmt.Errorf("the answer is not the day's file: %w", err)
	}
	return data, nil
}

// refused tells everybody who shares the limiter to stay away.
func (c *client) refused(ctx context.Context, d date, sent time.Time, retryAfter string) error {
	pause := c.pauses.refused(sent, c.now(), askedPause(retryAfter, c.now()))
	c.halt(pause)
	err := fmt.Errorf("the exchange's server asks for fewer requests; none for %s", pause)
	if pausing := c.limiter.Pause(ctx, providerName, c.now().Add(pause)); pausing != nil {
		err = fmt.Errorf("%w (telling the others: %w)", err, pausing)
	}
	return &market.Error{Code: market.CodeRateLimited, Where: c.url(d), Err: err, RetryAfter: pause}
}

// verify says why data is not the complete file of a date, or nothing.
func (c *client) verify(data []byte, d date) error {
	if len(data) > maxAnswerBytes {
		return fmt.Errorf("larger than %d bytes", maxAnswerBytes)
	}
	text, err := unpack(data) // with length and checksum
	if err != nil {
		return err
	}
	content, err := newDecoder(c.series).decode(text, d) // what is refused leaves nothing in the archive's
	if err != nil {
		return err
	}
	bad := len(content.bad) + len(content.broken)
	if len(content.rows) < c.minRows {
		return fmt.Errorf("it holds %d shares, fewer than %d", len(content.rows), c.minRows)
	}
	if float64(bad) > maxBadShare*float64(len(content.rows)) {
		return fmt.Errorf("%d of its rows are unreadable", bad)
	}
	return nil
}

// removeParts removes what processes that were killed had begun to write.
func removeParts(dir string) error {
	names, err := filepath.Glob(filepath.Join(escape(dir), ".*"+partSuffix))
	if err != nil {
		return err
	}
	for _, name := range names {
		if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < partAge {
			continue
		}
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// escape makes a folder's name one that a pattern matches as it stands.
func escape(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

// partSuffix ends the names of files that are being written.
const partSuffix = ".part"

// writeFile puts a file into the folder as a whole or not at all.
func writeFile(dir, name string, data []byte) (err error) {
	// Two programs may fetch one file: each writes beside under a name of its own.
	beside := filepath.Join(dir, fmt.Sprintf(".%s.%08x%s", name, rand.Uint32(), partSuffix))
	file, err := os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(beside)
		}
	}()
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(beside, filepath.Join(dir, name))
	}
	if err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename last through a power failure.
func syncDir(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
