package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// A listing is the wire form of the list of tickers: JSON, compressed.
type listing struct {
	Tickers []string `json:"tickers"`
}

// PublishTickers writes down which tickers the market lists, unless the bucket
// says the same already, and tells whether it wrote. Among analyzers with
// different markets the last one is believed. ErrNoStream, ErrUnavailable,
// ErrTooLarge.
func (b *Bucket) PublishTickers(ctx context.Context, tickers []string) (changed bool, err error) {
	for {
		data, revision, err := b.Get(ctx, listKey)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, err
		}
		if err == nil {
			if standing, err := decodeListing(data); err == nil && slices.Equal(standing, tickers) {
				return false, nil
			}
		}
		if data, err = encodeListing(tickers); err != nil {
			return false, err
		}
		if _, err = b.Replace(ctx, listKey, data, revision); !errors.Is(err, ErrExists) {
			return err == nil, err
		} // another analyzer wrote: compare with that
	}
}

// Tickers returns the tickers that the market lists, as an analyzer last said.
// ErrNotFound: none has said so yet.
func (b *Bucket) Tickers(ctx context.Context) ([]string, error) {
	data, err := b.Load(ctx, listKey)
	if err != nil {
		return nil, err
	}
	return decodeListing(data)
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
