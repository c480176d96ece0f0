package yahoo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/sony/gobreaker/v2"

	"github.com/tapedeck/tapedeck/internal/market"
)

// ask puts q to Yahoo until there is an answer, what fails will not pass, or
// it has been put maxTries times. It returns the answer with its address.
func (p *Provider) ask(ctx context.Context, q question) (answer *chart, where string, err error) {
	var try, missing int
	var last error // of the tries before; ctx may end between two
	operation := func() (*chart, error) {
		h, ok := p.choose(try)
		try++
		where = h.base + q.path()
		if !ok {
			last = h.refusal(gobreaker.ErrOpenState)
			return nil, backoff.Permanent(last)
		}
		var got *chart
		var final bool
		if got, final, last = p.once(ctx, h, q); last == nil {
			return got, nil
		}
		if codeOf(last) == market.CodeUnknownTicker {
			missing++
		}
		if final || missing == maxMissing || !passes(last) || p.pausedBeyond(ctx) {
			return nil, backoff.Permanent(last)
		}
		return nil, last
	}
	interval := backoff.NewExponentialBackOff()
	interval.InitialInterval, interval.Multiplier = p.cfg.RetryWait, 2
	options := []backoff.RetryOption{backoff.WithBackOff(interval), backoff.WithMaxTries(maxTries), backoff.WithMaxElapsedTime(0)}
	if deadline, ok := ctx.Deadline(); ok { // a wait past it is not begun: what failed is a truer answer than the time
		options = append(options, backoff.WithMaxElapsedTime(max(1, time.Until(deadline))))
	}
	answer, err = backoff.Retry(ctx, operation, options...)
	if err == nil {
		return answer, where, nil
	}
	if permanent, ok := errors.AsType[*backoff.PermanentError](err); ok { // the last of maxTries comes back as it is
		err = permanent.Unwrap()
	}
	return nil, where, p.explain(ctx, q, where, err, last)
}

// pausedBeyond reports whether everybody pauses for longer than ctx lasts.
func (p *Provider) pausedBeyond(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && p.pauses.rest(time.Now()) >= time.Until(deadline)
}

// explain makes err, with which ask ended, the caller's *market.Error.
func (p *Provider) explain(ctx context.Context, q question, where string, err, last error) error {
	fault, ok := errors.AsType[*market.Error](err)
	switch {
	case !ok && last != nil: // ctx ended while waiting for the next try
		fault = &market.Error{Code: market.CodeTimeout, Err: fmt.Errorf("%w; before that: %v", ctx.Err(), last)}
	case !ok:
		fault = &market.Error{Code: market.CodeTimeout, Err: err}
	}
	full := *fault
	full.Ticker = q.ticker
	if full.Where == "" {
		full.Where = where
	}
	if full.Code == market.CodeRateLimited && full.RetryAfter == 0 {
		full.RetryAfter = p.pauses.rest(time.Now())
	}
	return &full
}

// once sends q once, when the limiter and the host's breaker let it. Final
// says that there is no use in another try.
func (p *Provider) once(ctx context.Context, h *host, q question) (answer *chart, final bool, err error) {
	if err := p.cfg.Limiter.Wait(ctx, ProviderName); err != nil {
		if _, ok := errors.AsType[*market.Error](err); !ok {
			err = &market.Error{Code: market.CodeUnavailable, Err: fmt.Errorf("waiting for a grant: %w", err)}
		}
		return nil, true, err
	}
	answer, err = h.breaker.Execute(func() (*chart, error) { return p.get(ctx, h, q) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return nil, false, h.refusal(err)
	}
	return answer, false, err
}

// get sends one request and reads its answer. Errors are *market.Error.
func (p *Provider) get(ctx context.Context, h *host, q question) (*chart, error) {
	within, cancel := context.WithTimeout(ctx, p.cfg.RequestTime)
	defer cancel()
	request, err := http.NewRequestWithContext(within, http.MethodGet, h.base+q.path()+"?"+q.query(), nil)
	if err != nil {
		return nil, &market.Error{Code: market.CodeInvalid, Err: fmt.Errorf("making the request: %w", err)}
	}
	request.Header.Set("User-Agent", p.cfg.UserAgent)
	request.Header.Set("Accept", "application/json")
	sent := time.Now()
	response, err := p.client.Do(request)
	if err != nil {
		return nil, p.broken(ctx, within, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return nil, p.broken(ctx, within, fmt.Errorf("reading the answer: %w", err))
	}
	answer, fault := judge(response, body)
	if fault == nil || fault.Code != market.CodeRateLimited {
		p.pauses.answered(sent)
	} else {
		fault.RetryAfter = p.pause(ctx, sent, response)
	}
	if fault != nil {
		return nil, fault
	}
	answer.made = p.cfg.Now()
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil && date.Before(answer.made) {
		answer.made = date
	}
	return answer, nil
}

// broken is the error of a request without a whole answer: the caller's end,
// a server that is too slow, or a connection that broke.
func (p *Provider) broken(ctx, within context.Context, err error) *market.Error {
	if ctx.Err() != nil {
		return &market.Error{Code: market.CodeTimeout, Err: ctx.Err()}
	}
	if within.Err() != nil {
		return &market.Error{Code: market.CodeTimeout, Err: fmt.Errorf("no answer within %s", p.cfg.RequestTime)}
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok { // it repeats the whole address
		err = wrapped.Err
	}
	return &market.Error{Code: market.CodeUnavailable, Err: err}
}

// pause tells everybody of a refusal of a request sent at sent, and returns
// how long it lasts.
func (p *Provider) pause(ctx context.Context, sent time.Time, response *http.Response) time.Duration {
	now := time.Now()
	until, fresh := p.pauses.refused(sent, now, retryAfter(response.Header.Get("Retry-After"), now))
	if fresh {
		p.cfg.Log.Warn("yahoo refuses as too many requests: everybody pauses", "until", until, "elapsed", until.Sub(now))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pauseTime)
	defer cancel()
	if err := p.cfg.Limiter.Pause(ctx, ProviderName, until); err != nil {
		p.cfg.Log.Warn("yahoo: telling the others of the pause failed; they will be refused themselves", "err", err)
	}
	return max(0, until.Sub(now))
}

// retryAfter reads the header of that name: seconds or a date; 0 when it says nothing.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return min(max(0, time.Duration(seconds)), longestAsked/time.Second) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}

// codeOf is the code of a *market.Error, empty for any other error and for none.
func codeOf(err error) market.Code {
	if fault, ok := errors.AsType[*market.Error](err); ok {
		return fault.Code
	}
	return ""
}

// callerEnded reports whether err is the end of the caller's own context.
func callerEnded(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// serverFault reports whether err is what a host does that does not work.
func serverFault(err error) bool {
	code := codeOf(err)
	return (code == market.CodeUnavailable || code == market.CodeTimeout) && !callerEnded(err)
}

// passes reports whether another try may end otherwise.
func passes(err error) bool {
	code := codeOf(err)
	return serverFault(err) || code == market.CodeRateLimited || code == market.CodeUnknownTicker
}
