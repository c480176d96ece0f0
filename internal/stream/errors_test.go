package stream_test

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/internal/stream"
)

// TestUndecidedAnswers holds that what a cluster answers while an earlier
// attempt or another publisher is on its way decides nothing: it is tried again.
func TestUndecidedAnswers(t *testing.T) {
	for code, description := range map[jetstream.ErrorCode]string{
		10158: "duplicate message id is in process",
		10164: "wrong last sequence on a subject that another publish is about",
		10009: "not the leader",
	} {
		err := stream.Classify(&jetstream.APIError{Code: 409, ErrorCode: code, Description: description})
		if !errors.Is(err, stream.ErrUnavailable) {
			t.Errorf("%d, %s: %v", code, description, err)
		}
	}
}
