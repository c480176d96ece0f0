package market

import (
	"context"
	"time"
)

// A Limiter grants requests to a provider's server. All programs that share
// one share the provider's rate: without a grant no request goes out. It is
// safe for concurrent use.
type Limiter interface {
	// Wait blocks until one request to provider may go out. It fails with an
	// *Error: CodeTimeout around ctx's error when ctx ends first, CodeRateLimited
	// when the provider is paused, or others are first, beyond ctx's deadline
	// (said at once, without waiting for it, with RetryAfter), CodeUnavailable
	// when the shared state cannot be reached.
	Wait(ctx context.Context, provider string) error
	// Pause tells everybody who shares the limiter that provider refused: no
	// grant before until. An earlier end than the standing one changes nothing.
	Pause(ctx context.Context, provider string, until time.Time) error
}

// A BarCache keeps encoded series under keys, for as long as they are valid,
// for all programs that share it. Losing an entry costs a request, nothing
// else. It is safe for concurrent use.
type BarCache interface {
	// Get returns what was put under key, and whether there is something. What
	// has expired is not there.
	Get(ctx context.Context, key string) (data []byte, found bool, err error)
	// Put keeps data under key until expires; a standing entry is replaced.
	Put(ctx context.Context, key string, data []byte, expires time.Time) error
}
