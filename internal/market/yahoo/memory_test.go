package yahoo_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/internal/market"
)

// An answer of the largest size costs a few times that, whatever it holds.
func TestAnswersThatSwell(t *testing.T) {
	const size = 8<<20 - 1000
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
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := asked(t, friday, "X", c.body)
			runtime.ReadMemStats(&after)
			fault := wantError(t, err, codeFor(c.says), c.says)
			tries := uint64(3)
			if fault.Code == market.CodeBadData {
				tries = 1
			}
			if took := (after.TotalAlloc - before.TotalAlloc) / tries; took > 100<<20 {
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
