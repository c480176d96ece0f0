package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A listing is the wire form of the list of tickers: JSON, compressed.
type listing struct {
	Tickers []string `json:"tickers"`
}

// PublishTickers writes down which tickers the market lists, unless the bucket
// has said the same of late, and tells whether the list is another. Among
// analyzers with different markets the last one is believed. ErrNoStream,
// ErrUnavailable, ErrTooLarge.
func (b *Bucket) PublishTickers(ctx context.Context, tickers []string) (changed bool, err error) {
	return b.publishTickers(ctx, tickers, time.Now())
}

func (b *Bucket) publishTickers(ctx context.Context, tickers []string, now time.Time) (changed bool, err error) {
	for {
		standing, err := b.get(ctx, listKey)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, err
		}
		changed := true
		if err == nil {
			list, err := decodeListing(standing.Data)
			changed = err != nil || !slices.Equal(list, tickers)
		}
		if !changed && now.Sub(standing.At) < listRenew {
			return false, nil
		}
		data, err := encodeListing(tickers)
		if err != nil {
			return false, err
		}
		if _, err = b.Replace(ctx, listKey, data, standing.Seq); !errors.Is(err, ErrExists) {
			return changed && err == nil, err
		} // another analyzer wrote: compare with that
	}
}

// Tickers returns the tickers that the market lists, as an analyzer said within
// the last two days. ErrNotFound: none has.
func (b *Bucket) Tickers(ctx context.Context) ([]string, error) { return b.tickers(ctx, time.Now()) }

func (b *Bucket) tickers(ctx context.Context, now time.Time) ([]string, error) {
	msg, err := b.load(ctx, listKey)
	if err != nil {
		return nil, err
	}
	if now.Sub(msg.At) > listAge {
		return nil, fmt.Errorf("%w: the list of tickers is of %s, and no analyzer has said since that it still holds", ErrNotFound, msg.At.UTC().Format(time.DateOnly))
	}
	return decodeListing(msg.Data)
}

func encodeListing(tickers []string) ([]byte, error) {
	plain, err := json.Marshal(listing{tickers})
	if err != nil {
		return nil, fmt.Errorf("encoding the list of tickers: %w", err)
	}
	if len(plain) > maxListBytes {
		return nil, fmt.Errorf("encoding the list of tickers: %w: %d bytes, at most %d", ErrTooLarge, len(plain), maxListBytes)
	}
	var packed bytes.Buffer
	w, err := zstd.NewWriter(&packed, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("compressing the list of tickers: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("compressing the list of tickers: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compressing the list of tickers: %w", err)
	}
	return packed.Bytes(), nil
}

func decodeListing(data []byte) ([]string, error) {
	r, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxListBytes))
	if err != nil {
		return nil, fmt.Errorf("reading the list of tickers: %w", err)
	}
	defer r.Close()
	plain, err := io.ReadAll(io.LimitReader(r, maxListBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the list of tickers: %w", err)
	}
	var list listing
	if err := json.Unmarshal(plain, &list); err != nil {
		return nil, fmt.Errorf("reading the list of tickers: %w", err)
	}
	return list.Tickers, nil
}
