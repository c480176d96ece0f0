package universe

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	// DefaultNSEURL is the server on which NSE publishes its lists.
	DefaultNSEURL = "https://nsearchives.nseindia.com"

	// DefaultNASDAQURL is the folder of NASDAQ Trader's symbol directory.
	DefaultNASDAQURL = "https://www.nasdaqtrader.com/dynamic/SymDir"

	// DefaultUserAgent looks like a browser: NSE's server refuses others.
	DefaultUserAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)

// fetch gets a list from its exchange. The list is whole, or there is an error
// that says what came instead.
func (s *Source) fetch(ctx context.Context, l list) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	url := s.url(l)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", url, err)
	}
	request.Header.Set("User-Agent", s.cfg.UserAgent)
	request.Header.Set("Accept", "text/csv,text/plain,*/*")
	request.Header.Set("Accept-Language", "en")
	response, err := s.cfg.HTTP.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetching %s: %w", l.name, err) // *url.Error tells the URL
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetching %s: %s answered %s%s", l.name, url, response.Status, hint(response.StatusCode))
	}
	if response.ProtoMajor == 1 && response.ContentLength < 0 && len(response.TransferEncoding) == 0 && !response.Uncompressed {
		return nil, fmt.Errorf("fetching %s: %s does not say how long its answer is, so that a cut list would pass for a whole one; a proxy in between?", l.name, url)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	if err != nil {
		return nil, fmt.Errorf("fetching %s: reading the answer of %s: %w", l.name, url, err)
	}
	if len(data) > maxAnswerBytes {
		return nil, fmt.Errorf("fetching %s: %s answered more than %d MiB", l.name, url, maxAnswerBytes>>20)
	}
	tickers, err := l.decode(data)
	if err != nil {
		return nil, fmt.Errorf("fetching %s: the answer of %s: %w", l.name, url, err)
	}
	if len(tickers) < l.min || len(tickers) > l.max {
		return nil, fmt.Errorf("fetching %s: the answer of %s holds %d tickers where %d to %d are expected", l.name, url, len(tickers), l.min, l.max)
	}
	return tickers, nil
}

// url returns where l is published.
func (s *Source) url(l list) string {
	base := s.cfg.NSEURL
	if l.host == nasdaqHost {
		base = s.cfg.NASDAQURL
	}
	return strings.TrimRight(base, "/") + l.path
}

// hint says what a refused request means.
func hint(status int) string {
	switch status {
	case http.StatusForbidden, http.StatusUnauthorized, http.StatusTooManyRequests:
		return " (it refuses programs or this address; try later, or from another network)"
	case http.StatusNotFound:
		return " (the exchange has moved the list)"
	}
	return ""
}
