package yahoo

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/tapedeck/tapedeck/internal/market"
)

// A host is one of the endpoint's hosts with its breaker.
type host struct {
	base    string // scheme and host, without a slash at the end
	breaker *gobreaker.CircuitBreaker[*chart]
	until   atomic.Int64 // when an open breaker lets one request probe, Unix nanoseconds
}

func newHost(base string, log *slog.Logger) (*host, error) {
	address, err := url.Parse(base)
	if err != nil || (address.Scheme != "http" && address.Scheme != "https") || address.Host == "" || address.RawQuery != "" || address.User != nil {
		return nil, fmt.Errorf("%q is not an address like %s", base, DefaultBaseURLs()[0])
	}
	h := &host{base: strings.TrimSuffix(base, "/")}
	h.breaker = gobreaker.NewCircuitBreaker[*chart](gobreaker.Settings{
		Name:         address.Host,
		Timeout:      breakerTime,
		ReadyToTrip:  func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= breakerFailures },
		IsSuccessful: func(err error) bool { return !serverFault(err) },
		IsExcluded:   func(err error) bool { return codeOf(err) == market.CodeRateLimited || callerEnded(err) },
		OnStateChange: func(name string, from, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				h.until.Store(time.Now().Add(breakerTime).UnixNano())
			}
			log.Warn("yahoo: circuit breaker", "host", name, "was", from.String(), "is", to.String())
		},
	})
	return h, nil
}

// open reports whether the host is being left alone.
func (h *host) open() bool { return h.breaker.State() == gobreaker.StateOpen }

// refusal is the error of a request that the breaker did not let through.
func (h *host) refusal(err error) *market.Error {
	if errors.Is(err, gobreaker.ErrTooManyRequests) {
		return &market.Error{
			Code: market.CodeUnavailable, RetryAfter: probeTime,
			Err: fmt.Errorf("the last %d requests failed; one is finding out whether the host is back", breakerFailures),
		}
	}
	until := time.Unix(0, h.until.Load())
	return &market.Error{
		Code: market.CodeUnavailable, RetryAfter: max(0, time.Until(until)),
		Err: fmt.Errorf("the last %d requests failed; the next goes out at %s", breakerFailures, until.UTC().Format(time.RFC3339)),
	}
}

// choose returns the host for a try, from 0: the first one first, the others
// in turn, passing over those that are being left alone; false when all are.
func (p *Provider) choose(try int) (*host, bool) {
	for i := range p.hosts {
		if h := p.hosts[(try+i)%len(p.hosts)]; !h.open() {
			return h, true
		}
	}
	return p.soonest(), false
}

// soonest is the host that may be probed first.
func (p *Provider) soonest() *host {
	best := p.hosts[0]
	for _, h := range p.hosts[1:] {
		if h.until.Load() < best.until.Load() {
			best = h
		}
	}
	return best
}

// defaultClient honours the environment's proxies, as http.DefaultTransport
// does, and asks for gzip and undoes it.
func defaultClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxConnsPerHost, transport.MaxIdleConnsPerHost = maxConns, maxConns
	return &http.Client{Transport: transport}
}

// quiet is client, but for following redirects: a redirect is a request that
// nobody granted, perhaps to another's host.
func quiet(client *http.Client) *http.Client {
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}
