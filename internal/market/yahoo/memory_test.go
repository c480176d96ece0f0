package yahoo_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/internal/market"
)

// A large answer costs a few times its size, whatever it holds.
func TestAnswersThatSwell(t *testing.T) {
	const size, most = 2 << 20, 50 << 20
	many := func(before, one, after string) string {
		return `{"chart":{"error":null,"result":` + before + strings.Repeat(one+",", size/(len(one)+1)) + one + after + `}}`
	}
	for name, c := range map[string]struct{ body, says string }{
		"results":   {many("[", "{}", "]"), "neither a chart nor an error"},
		"quotes":    {many(`[{"timestamp":[1],"indicators":{"quote":[`, "{}", "]}}]"), "asked for"},
		"adjcloses": {many(`[{"timestamp":[1],"indicators":{"adjclose":[`, "{}", "]}}]"), "asked for"},
		"dates":     {many(`[{"timestamp":[`, "1", "]}]"), "more than 30000 rows"},
		"prices":    {many(`[{"indicators":{"quote":[{"open":[`, "1", "]}]}}]"), "more than 30000 rows"},
		"splits":    {many(`[{"events":{"splits":{`, `"a":{}`, "}}}]"), "more than 30000 rows"},
		"an object": {`{"chart":{"result":{}}}`, "no list"},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "results" && name != "prices" {
				t.Skip("the race detector makes it slow: left out under -short")
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := asked(t, friday, "X", c.body)
			runtime.ReadMemStats(&after)
			fault := wantError(t, err, codeFor(c.says), c.says)
			tries := uint64(3)
			if fault.Code == market.CodeBadData {
				tries = 1
			}
			if took := (after.TotalAlloc - before.TotalAlloc) / tries; took > most {
				t.Errorf("reading %d MiB took %d MiB of memory", len(c.body)>>20, took>>20)
			}
		})
	}
}

func codeFor(says string) market.Code {
	if says == "asked for" {
		return market.CodeBadData
	}
	return market.CodeUnavailable
}
