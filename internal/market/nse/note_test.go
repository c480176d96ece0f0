package nse

import (
	"testing"
	"time"
)

// FuzzNote: whatever stands in a note of the archive is a note that can be
// judged at any time, and one that a program wrote is read as it was; whatever
// stands in a Retry-After is a pause between none and the longest.
func FuzzNote(f *testing.F) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	f.Add(note{asked: 2, last: now}.String(), "120")
	f.Add("the exchange had no file of this date on 2024-07-12; delete this to ask again\n", "Wed, 25 Nov 2026 13:00:00 GMT")
	f.Add("on 2024-07-12, asked 999999 times", "-1")
	f.Add("on 9999-12-31T23:59:59Z, asked 1 times", "9223372036854775807")
	f.Add("", "99999999999999999999")
	f.Fuzz(func(t *testing.T, text, header string) {
		n := parseNote(text)
		if n.asked < 1 {
			t.Fatalf("%q was asked %d times", text, n.asked)
		}
		for _, at := range []time.Time{{}, now, n.last, n.last.Add(time.Hour), now.AddDate(5000, 0, 0)} {
			n.stands(at, false)
			n.stands(at, true)
		}
		if again := parseNote(n.String()); n != byHand && (again.asked != n.asked || !again.last.Equal(n.last)) {
			t.Fatalf("%q is %+v, and written again %+v", text, n, again)
		}
		if pause := askedPause(header, now); pause < 0 || pause > maxRefusedPause {
			t.Fatalf("a pause of %v for %q", pause, header)
		}
	})
}
