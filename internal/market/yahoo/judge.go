package yahoo

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/tapedeck/tapedeck/internal/market"
)

// statusDenied is how Yahoo has said 'too many requests' for decades.
const statusDenied = 999

// outage stands on the page that Yahoo shows, with status 200, when it is down.
const outage = "Will be right back"

// judge says what an answer is: the chart, or what is wrong with it.
func judge(response *http.Response, body []byte) (*chart, *market.Error) {
	status := response.StatusCode
	switch {
	case len(body) > maxBody:
		return nil, unavailable("the answer is above %d bytes", maxBody)
	case status == http.StatusTooManyRequests || status == statusDenied:
		return nil, fault(market.CodeRateLimited, "refused with %d: %s", status, excerpt(body))
	case strings.Contains(string(body[:min(len(body), maxOutage)]), outage):
		return nil, unavailable("the outage page (%q), status %d", outage, status)
	case status >= 300 && status < 400:
		return nil, unavailable("status %d to %s, which is not followed", status, target(response))
	case status == http.StatusOK, status == http.StatusNotFound, status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		return parse(response, body)
	}
	return nil, unavailable("status %d: %s", status, excerpt(body))
}

// maxOutage is how far into an answer the outage page is looked for.
const maxOutage = 16 << 10

// parse reads an answer that should be the endpoint's JSON.
func parse(response *http.Response, body []byte) (*chart, *market.Error) {
	status := response.StatusCode
	kind := response.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(kind); status == http.StatusOK && (err != nil || media != "application/json") {
		return nil, unavailable("status %d with %q instead of JSON: %s", status, kind, excerpt(body))
	}
	var envelope struct {
		Chart *struct {
			Result single[chart] `json:"result"`
			Error  *struct {
				Code        string `json:"code"`
				Description string `json:"description"`
			} `json:"error"`
		} `json:"chart"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return nil, unavailable("status %d with JSON that is not the endpoint's: %v", status, err)
	}
	switch c := envelope.Chart; {
	case c == nil || (c.Error == nil && (c.Result.n() != 1 || status != http.StatusOK)):
		return nil, unavailable("status %d with neither a chart nor an error: %s", status, excerpt(body))
	case c.Error != nil:
		return nil, refusal(status, c.Error.Code, c.Error.Description)
	default:
		return &c.Result.first, nil
	}
}

// refusal turns Yahoo's own error into ours, with its words.
func refusal(status int, code, description string) *market.Error {
	words := fmt.Sprintf("yahoo says %q: %q", excerpt([]byte(code)), excerpt([]byte(description)))
	switch {
	case strings.Contains(description, "Data doesn't exist"):
		return fault(market.CodeNoData, "%s", words)
	case status == http.StatusNotFound || code == "Not Found" || strings.Contains(description, "No data found"):
		return fault(market.CodeUnknownTicker, "%s", words)
	case status == http.StatusOK:
		return unavailable("%s", words)
	}
	return fault(market.CodeInvalid, "%s", words)
}

func unavailable(format string, args ...any) *market.Error {
	return fault(market.CodeUnavailable, format, args...)
}

func fault(code market.Code, format string, args ...any) *market.Error {
	return &market.Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// excerpt is the beginning of a text that is no answer, fit for one line.
func excerpt(body []byte) string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, string(body[:min(len(body), 8*maxExcerpt)]))
	runes := []rune(strings.TrimSpace(text))
	if len(runes) == 0 {
		return "nothing readable"
	}
	if len(runes) > maxExcerpt {
		return string(runes[:maxExcerpt]) + "…"
	}
	return string(runes)
}

// target is the host to which an answer would lead; the rest of the address is noise.
func target(response *http.Response) string {
	location, err := response.Location()
	if err != nil {
		return "nowhere"
	}
	return (&url.URL{Scheme: location.Scheme, Host: location.Host}).String()
}

// errNothing says that an answer holds no row at all.
var errNothing = errors.New("yahoo has no bars in the range")
