package dispatcher

import (
	"context"

	"github.com/tapedeck/tapedeck/internal/stream"
)

// A Gather is the gathering of chunks for tests: Send waits, Run sends.
type Gather struct{ g *gather }

// NewGather makes one that sends to work.
func NewGather(work Work) Gather { return Gather{newGather(work)} }

// Send offers items and waits until they are sent.
func (g Gather) Send(ctx context.Context, items []stream.Item) error { return g.g.send(ctx, items) }

// Run sends what is offered until ctx ends.
func (g Gather) Run(ctx context.Context) { g.g.run(ctx) }
