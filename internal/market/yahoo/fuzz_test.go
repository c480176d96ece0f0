package yahoo_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/market/yahoo"
)

// Whatever comes as an answer, the provider delivers valid bars or says in its
// own words why not.
func FuzzAnswer(f *testing.F) {
	f.Add(200, chartOfX)
	f.Add(404, `{"chart":{"result":null,"error":{"code":"Not Found","description":"No data found"}}}`)
	f.Add(200, `{"chart":{"result":[{"meta":{"currency":"GBp","symbol":"X","exchangeTimezoneName":"Asia/Kolkata","dataGranularity":"1d"},"timestamp":[1787923800,1788010200],
"events":{"splits":{"a":{"date":1788010200,"numerator":2,"denominator":0}},"dividends":{"b":{"date":1,"amount":null}}},
"indicators":{"quote":[{"open":[0,null],"high":[11,1e308],"low":[9,-1],"close":[0,0],"volume":[null,5]}],"adjclose":[{"adjclose":[0,1]}]}}],"error":null}}`)
	f.Add(200, `{"chart":{"result":[{"timestamp":[9223372036854775807]}]}}`)
	f.Add(200, `null`)
	f.Add(302, "")
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 999 {
			t.Skip("no status of an answer")
		}
		for _, adjustment := range []market.Adjustment{market.AdjustmentSplits, market.AdjustmentSplitsDividends} {
			p, err := yahoo.New(yahoo.Config{
				Limiter: closed{}, Now: fixed(friday), RetryWait: time.Nanosecond, Adjustment: adjustment,
				HTTP: &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
					return answer(status, "application/json", body), nil
				})},
			})
			if err != nil {
				t.Fatal(err)
			}
			series, err := p.Daily(t.Context(), "X", 100)
			if err != nil {
				if fault, ok := errors.AsType[*market.Error](err); !ok || fault.Err == nil || fault.Ticker != "X" || fault.Where == "" {
					t.Fatalf("an error without its place: %v", err)
				}
				continue
			}
			if _, err := market.Validate("X", series.Bars); err != nil {
				t.Fatal(err)
			}
			if series.Adjustment != adjustment || (series.Currency != "" && len(series.Currency) != 3) {
				t.Errorf("adjusted for %s, in %q", series.Adjustment, series.Currency)
			}
		}
	})
}
