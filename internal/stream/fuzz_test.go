package stream

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzItem: whatever stands in the work queue is an item or an error, never a
// panic; an item can be queued again under a subject of four tokens and is read
// as the same.
func FuzzItem(f *testing.F) {
	f.Add([]byte(`{"job_id":"j","ticker":"M&M.NS","lane":1,"kind":"analysis","strategy_hash":"h","capital":1e5,"options":{"bars":400},"deadline":"2026-11-28T00:00:00Z"}`))
	f.Add([]byte(`{"job_id":"a.b.*.>","ticker":" \u0000%","lane":3,"deadline":"0001-01-01T00:00:00+23:59"}`))
	f.Add([]byte(`{"job_id":"j","ticker":"T","lane":-1}`))
	f.Add([]byte(`{"JOB_ID":"\ud800","ticker":"T","lane":2,"capital":1e308}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		item, err := DecodeItem(data)
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Fatalf("%d bytes of words", len(err.Error()))
			}
			return
		}
		tokens := strings.Split(item.Subject(), ".")
		if len(tokens) != 4 || slices.ContainsFunc(tokens, func(token string) bool { return token == "" || strings.Trim(token, tokenBytes) != "" }) {
			t.Fatalf("the subject %q", item.Subject())
		}
		msg, err := item.Message()
		if err != nil {
			t.Fatalf("%+v cannot be queued again: %v", item, err)
		}
		again, err := DecodeItem(msg.Data)
		if diff := cmp.Diff(item, again); err != nil || diff != "" {
			t.Fatalf("queued again it is another: %v\n%s", err, diff)
		}
	})
}

// tokenBytes are those of a token of a subject.
const tokenBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-%"

// keyBytes are those of a key of one token.
const keyBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-/="

// FuzzBucketToken: every text has a key of a bucket, and no two have one.
func FuzzBucketToken(f *testing.F) {
	for _, text := range []string{"yahoo", "a.b", "*", ">", "", "%", "\x00\xff", "é", strings.Repeat("a/", 400)} {
		f.Add(text, text+".")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		one, other := BucketToken(a), BucketToken(b)
		for _, token := range []string{one, other} {
			if strings.Trim(token, keyBytes) != "" || token == "" && a != "" && b != "" {
				t.Fatalf("%q and %q are %q and %q", a, b, one, other)
			}
		}
		if a != b && one == other {
			t.Fatalf("%q and %q are both %q", a, b, one)
		}
	})
}

// FuzzListing: whatever stands in the bucket of the market is a list of bounded
// size or an error; a list can be written again and is read as the same.
func FuzzListing(f *testing.F) {
	for _, list := range [][]string{nil, {}, {"A.NS", "M&M.NS"}, slices.Repeat([]string{"A"}, 5000)} {
		data, err := encodeListing(list)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Add([]byte(`{"tickers":["A"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := decodeListing(data)
		if err != nil {
			return
		}
		size := 0
		for _, ticker := range list {
			size += len(ticker)
		}
		if size > maxListBytes {
			t.Fatalf("a list of %d bytes, at most %d", size, maxListBytes)
		}
		packed, err := encodeListing(list)
		if err != nil {
			return // texts can be longer when written again
		}
		again, err := decodeListing(packed)
		if err != nil || !slices.Equal(list, again) {
			t.Fatalf("%q, written again %q, %v", list, again, err)
		}
	})
}
