package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/tapedeck/tapedeck/internal/store"
)

// representation is the version of the JSON that this program writes. It
// stands in every ETag, so that a new program does not confirm an old text.
const representation = "1"

// begin checks the names of the query's parameters, and that their values are
// text that any database takes, and waits for min_seq.
func (s *Server) begin(c *fiber.Ctx, names ...string) error {
	for key, value := range c.Context().QueryArgs().All() {
		if name := string(key); name != "min_seq" && !slices.Contains(names, name) {
			return badQuery("query."+capped(name), "is not a parameter of this route", "")
		}
		if !utf8.Valid(value) || bytes.IndexByte(value, 0) >= 0 {
			return badQuery("query."+string(key), "must be text in UTF-8 without NUL", "")
		}
	}
	text := c.Query("min_seq")
	if text == "" {
		return nil
	}
	want, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return badQuery("query.min_seq", "must be a sequence of the tape", text)
	}
	return s.recordedUpTo(c, want)
}

// recordedUpTo waits until the checkpoint has reached a sequence.
func (s *Server) recordedUpTo(c *fiber.Ctx, want uint64) error {
	deadline := time.NewTimer(minSeqWait)
	defer deadline.Stop()
	for {
		position, err := s.config.Reader.Position(c.UserContext())
		if err != nil {
			return fmt.Errorf("reading the checkpoint: %w", err)
		}
		if position.Seq >= want {
			return nil
		}
		select {
		case <-time.After(minSeqPoll):
		case <-c.UserContext().Done():
			return c.UserContext().Err()
		case <-deadline.C:
			return problem(http.StatusServiceUnavailable, "not_recorded_yet",
				fmt.Sprintf("recorded up to sequence %d, asked for %d; try again", position.Seq, want)).after(1)
		}
	}
}

func queryInt(c *fiber.Ctx, name string, otherwise, low, high int) (int, error) {
	text := c.Query(name)
	if text == "" {
		return otherwise, nil
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < low || value > high {
		return 0, badQuery("query."+name, fmt.Sprintf("must be a whole number from %d to %d", low, high), text)
	}
	return value, nil
}

// queryLimit is the size of the page that is asked for.
func queryLimit(c *fiber.Ctx) (int, error) {
	return queryInt(c, "limit", defaultPage, 1, store.MaxPage)
}

// queryClass is real or synthetic; "" if absent.
func queryClass(c *fiber.Ctx) (string, error) {
	return queryOneOf(c, "class", store.ClassReal, store.ClassSynthetic)
}

// queryOneOf returns a parameter that must be one of values; "" if absent.
func queryOneOf(c *fiber.Ctx, name string, values ...string) (string, error) {
	text := c.Query(name)
	if text == "" || slices.Contains(values, text) {
		return text, nil
	}
	return "", badQuery("query."+name, "must be one of "+strings.Join(values, ", "), text)
}

// pathParam is a decoded part of the path.
func pathParam(c *fiber.Ctx, name string) (string, error) {
	text, err := url.PathUnescape(c.Params(name))
	if err != nil {
		return "", badQuery("path."+name, "is not percent-encoded properly", "")
	}
	return text, nil
}

// link points to the next page.
func link(c *fiber.Ctx, next store.Cursor) {
	if next == "" {
		return
	}
	query := url.Values{}
	for key, value := range c.Context().QueryArgs().All() {
		if name := string(key); name != "min_seq" {
			query.Set(name, string(value))
		}
	}
	query.Set("cursor", string(next))
	c.Set(fiber.HeaderLink, "<"+c.Path()+"?"+query.Encode()+`>; rel="next"`)
}

// A tag gathers what an answer depends on. ETags are weak: as_of_seq may
// differ between two answers with one tag.
type tag struct{ sum hash.Hash }

func tagOf(seqs ...uint64) tag {
	t := tag{sha256.New()}
	t.sum.Write([]byte(representation))
	for _, seq := range seqs {
		t.add("", seq)
	}
	return t
}

func (t tag) add(text string, seq uint64) {
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], seq)
	t.sum.Write([]byte(text))
	t.sum.Write(number[:])
}

// answer sends a job's JSON, or 304 if the client has it: the tag follows
// from the query and the sequence that last changed the job.
func answer(c *fiber.Ctx, lastSeq uint64, body any) error {
	return answerTagged(c, tagOf(lastSeq), body)
}

func answerTagged(c *fiber.Ctx, t tag, body any) error {
	t.sum.Write([]byte(c.OriginalURL()))
	etag := `W/"` + hex.EncodeToString(t.sum.Sum(nil)[:12]) + `"`
	c.Set(fiber.HeaderETag, etag)
	c.Set(fiber.HeaderCacheControl, "no-cache") // keep it, but ask each time
	if matches(c.Get(fiber.HeaderIfNoneMatch), etag) {
		c.Status(http.StatusNotModified)
		return nil
	}
	return sendJSON(c, body)
}

func matches(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(etag, "W/") {
			return header != ""
		}
	}
	return false
}
