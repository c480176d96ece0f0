package shared

import (
	"context"
	"errors"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// Cache is a market.BarCache in the bucket "bars". The server drops an entry
// when its time is over, by its own clock.
type Cache struct{ bucket *stream.Bucket }

var _ market.BarCache = (*Cache)(nil)

// NewCache returns the cache in the bucket "bars".
func NewCache(bucket *stream.Bucket) *Cache { return &Cache{bucket} }

// Get implements market.BarCache; stream.ErrUnavailable when nobody answers.
func (c *Cache) Get(ctx context.Context, key string) ([]byte, bool, error) {
	data, err := c.bucket.Load(ctx, stream.BucketToken(key))
	if errors.Is(err, stream.ErrNotFound) {
		return nil, false, nil
	}
	return data, err == nil, err
}

// Put implements market.BarCache; stream.ErrTooLarge above
// stream.MaxEntryBytes, stream.ErrUnavailable when nobody answers.
func (c *Cache) Put(ctx context.Context, key string, data []byte, expires time.Time) error {
	return c.bucket.Keep(ctx, stream.BucketToken(key), data, time.Until(expires))
}
