package events_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/events"
)

// Decode never panics; what it takes can be written again and read as the
// same; what it refuses is ErrMalformed.
func FuzzDecode(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join(goldenDir, "*.json"))
	if err != nil || len(paths) == 0 {
		f.Fatal("no golden files", err)
	}
	for _, path := range paths {
		subject, h, body := readGolden(f, path)
		f.Add(subject, h.Get(events.HeaderID), h.Get(events.HeaderSource), h.Get(events.HeaderType),
			h.Get(events.HeaderTime), h.Get(events.HeaderSubject), body)
	}
	f.Fuzz(func(t *testing.T, subject, id, source, kind, at, about string, body []byte) {
		h := nats.Header{}
		for name, value := range map[string]string{
			events.HeaderSpecVersion: "1.0", events.HeaderID: id, events.HeaderSource: source,
			events.HeaderType: kind, events.HeaderTime: at, events.HeaderSubject: about,
		} {
			h.Set(name, value)
		}
		event, err := events.Decode(subject, h, body)
		if err != nil {
			if !errors.Is(err, events.ErrMalformed) {
				t.Fatalf("%v is not ErrMalformed", err)
			}
			return
		}
		if _, unknown := event.Data.(*events.Unknown); unknown {
			return // its subject and text are whatever a newer one wrote
		}
		msg, err := events.Encode(event)
		if errors.Is(err, events.ErrTooLarge) {
			return // numbers can be longer when written again
		}
		if err != nil {
			t.Fatalf("cannot be written again: %v", err)
		}
		again, err := events.Decode(msg.Subject, msg.Header, msg.Data)
		if err != nil {
			t.Fatalf("written again it cannot be read: %v", err)
		}
		if queued, ok := event.Data.(*events.JobQueued); ok && queued.Strategy == nil {
			queued.Strategy = []byte("null") // as it is written: no strategy either way
		}
		if diff := cmp.Diff(event, again); diff != "" {
			t.Fatalf("written again it differs:\n%s", diff)
		}
	})
}

// Tokens are one token of [A-Za-z0-9_%-], and each stands for one text.
func FuzzToken(f *testing.F) {
	for _, text := range []string{"AAPL", "BRK.B", "M&M.NS", "*", ">", "%2E", "%", "é", "\x00\xff", "a b\r\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token := events.EncodeToken(text)
		for _, c := range []byte(token) {
			if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-%", rune(c)) {
				t.Fatalf("EncodeToken(%q) = %q holds %q", text, token, c)
			}
		}
		if back, err := events.DecodeToken(token); text != "" && (err != nil || back != text) {
			t.Fatalf("%q became %q and came back as %q, %v", text, token, back, err)
		}
		if plain, err := events.DecodeToken(text); err == nil && events.EncodeToken(plain) != text {
			t.Fatalf("%q and %q are both tokens of %q", text, events.EncodeToken(plain), plain)
		}
	})
}

// A subject that is taken apart can be put together again, and only that one.
func FuzzSubject(f *testing.F) {
	for _, s := range []string{"tape.job.j.queued", "tape.ticker.j.BRK%2EB.analyzed", "tape.ticker.j.*.failed", "tape..", ""} {
		f.Add(s, "j", "BRK.B")
	}
	f.Fuzz(func(t *testing.T, subject, job, ticker string) {
		if j, tk, what, err := events.ParseSubject(subject); err == nil {
			again := events.JobSubject(j, what)
			if tk != "" {
				again = events.TickerSubject(j, tk, what)
			}
			if again != subject {
				t.Fatalf("%q became %q", subject, again)
			}
		}
		j, tk, what, err := events.ParseSubject(events.TickerSubject(job, ticker, "analyzed"))
		if job == "" || ticker == "" {
			if err == nil {
				t.Fatalf("an empty job or ticker gave %q %q", j, tk)
			}
			return
		}
		if err != nil || j != job || tk != ticker || what != "analyzed" {
			t.Fatalf("%q, %q came back as %q, %q, %q, %v", job, ticker, j, tk, what, err)
		}
	})
}
