package csvdir

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/tapedeck/tapedeck/internal/market"
)

// FuzzSettings: whatever stands in market.json is refused in few words, or
// names an adjustment and a currency that there are; written again it is the same.
func FuzzSettings(f *testing.F) {
	f.Add([]byte(`{"adjustment":"splits","currency":"INR"}`))
	f.Add([]byte("\ufeff{\"adjustment\":\"none\"}\n"))
	f.Add([]byte(`{"adjustment":"none"} x`))
	f.Add([]byte(`{"adjustment":"\u0000","currency":"inr","other":1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := settings{Adjustment: market.AdjustmentUnknown}
		if err := s.decode(data); err != nil {
			if text := err.Error(); len(text) > 400 || !utf8.ValidString(text) {
				t.Fatalf("message %q", text)
			}
			return
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var again settings
		if err := again.decode(text); err != nil || again != s || s.Currency != "" && len(s.Currency) != 3 {
			t.Fatalf("%q is %+v, and written again %+v, %v", data, s, again, err)
		}
	})
}
