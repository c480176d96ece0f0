package source

import (
	"errors"
	"strings"
	"testing"
)

// FuzzParse: whatever is given as --market is refused in words that quote it,
// or is parts that, written again, are the same; synthetic stands alone.
func FuzzParse(f *testing.F) {
	for _, setting := range []string{"csv:bars", "nse", "nse:dir,yahoo", "synthetic", "synthetic,yahoo", "csv:", "nse:", "yahoo:", ",", " csv: a , nse ", "csv:a:b", ""} {
		f.Add(setting)
	}
	f.Fuzz(func(t *testing.T, setting string) {
		parts, err := parse(setting)
		if err != nil {
			if !errors.Is(err, ErrNone) && len(err.Error()) > 1000+10*len(setting) {
				t.Fatalf("%d bytes of words", len(err.Error()))
			}
			return
		}
		var texts []string
		for _, p := range parts {
			text := p.kind
			if p.dir != "" {
				text += ":" + p.dir
			}
			if texts = append(texts, text); p.kind == "synthetic" && len(parts) > 1 {
				t.Fatalf("%q: synthetic is not alone", setting)
			}
		}
		again, err := parse(strings.Join(texts, ","))
		if err != nil || len(again) != len(parts) {
			t.Fatalf("%q, written again %q: %v", setting, texts, err)
		}
		for i := range parts {
			if strings.TrimSpace(again[i].dir) != strings.TrimSpace(parts[i].dir) || again[i].kind != parts[i].kind {
				t.Fatalf("%+v, written again %+v", parts, again)
			}
		}
	})
}
