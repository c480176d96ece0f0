package recorder

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// tellEvery is the time between two progress messages of a control request.
const tellEvery = 200 * time.Millisecond

// A StatusReply answers the status request.
type StatusReply struct {
	Status
	Error string `json:"error,omitempty"` // Status.Err in words
}

// Handlers answers the control requests rebuild (RebuildRequest in,
// FoldProgress on the way, RebuildResult), verify (VerifyRequest, FoldProgress,
// VerifyResult) and status (StatusReply). Serve them while this recorder leads
// (WhileLeading). scratch opens an empty database for one verification;
// remove removes it.
func (r *Recorder) Handlers(scratch func(ctx context.Context) (db store.Scratch, remove func(), err error)) map[string]stream.Control {
	return map[string]stream.Control{
		stream.VerbStatus: func(context.Context, []byte, func(any)) (any, error) {
			reply := StatusReply{Status: r.Status()}
			if reply.Err != nil {
				reply.Error = reply.Err.Error()
			}
			return reply, nil
		},
		stream.VerbRebuild: func(ctx context.Context, body []byte, progress func(any)) (any, error) {
			var req RebuildRequest
			if err := json.Unmarshal(body, &req); err != nil {
				return nil, fmt.Errorf("reading the request: %w", err)
			}
			return r.Rebuild(ctx, req, sparsely(progress))
		},
		stream.VerbVerify: func(ctx context.Context, body []byte, progress func(any)) (any, error) {
			var req VerifyRequest
			if err := json.Unmarshal(body, &req); err != nil {
				return nil, fmt.Errorf("reading the request: %w", err)
			}
			db, remove, err := scratch(ctx)
			if err != nil {
				return nil, fmt.Errorf("opening a scratch database: %w", err)
			}
			defer remove()
			cfg := VerifyConfig{Tape: r.cfg.Tape, Live: r.cfg.Reading, Where: r.cfg.Reading, Scratch: db, VerifyRequest: req}
			return Verify(ctx, cfg, sparsely(progress))
		},
	}
}

// sparsely passes progress on, not more often than people read it.
func sparsely(progress func(any)) func(FoldProgress) {
	var last time.Time
	return func(p FoldProgress) {
		if now := time.Now(); p.Seq == p.Last || now.Sub(last) >= tellEvery {
			last = now
			progress(p)
		}
	}
}
