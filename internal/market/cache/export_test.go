package cache

import (
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// Encode and Decode are the entries of the cache.
func Encode(s market.Series, expires time.Time) ([]byte, error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	return c.encode(s, expires)
}

func Decode(data []byte) (market.Series, time.Time, error) {
	c, err := newCodec()
	if err != nil {
		return market.Series{}, time.Time{}, err
	}
	return c.decode(data)
}
