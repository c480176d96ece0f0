package store

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/tapedeck/tapedeck/events"
)

// The codec is made once: its tables cost megabytes, and EncodeAll and
// DecodeAll keep nothing between calls and may run side by side.
var (
	packer = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	})
	unpacker = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(MaxPackedBytes))
	})
)

// EncodeIndicators makes the bytes of the indicators table: zstd of the JSON
// array. The same indicators give the same bytes.
func EncodeIndicators(list []events.Indicator) ([]byte, error) {
	if list == nil {
		list = []events.Indicator{}
	}
	data, err := pack(list)
	if err != nil {
		return nil, fmt.Errorf("encoding indicators: %w", err)
	}
	return data, nil
}

// DecodeIndicators undoes EncodeIndicators. It refuses more than
// MaxPackedBytes of JSON.
func DecodeIndicators(data []byte) ([]events.Indicator, error) {
	text, err := unpack(data)
	if err != nil {
		return nil, err
	}
	var list []events.Indicator
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("decoding indicators: %w", err)
	}
	return list, nil
}

func pack(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	if len(text) > MaxPackedBytes {
		return nil, fmt.Errorf("%d bytes are more than %d", len(text), MaxPackedBytes)
	}
	zip, err := packer()
	if err != nil {
		return nil, fmt.Errorf("preparing zstd: %w", err)
	}
	return zip.EncodeAll(text, make([]byte, 0, len(text)/3)), nil
}

func unpack(data []byte) ([]byte, error) {
	unzip, err := unpacker()
	if err != nil {
		return nil, fmt.Errorf("preparing zstd: %w", err)
	}
	text, err := unzip.DecodeAll(data, nil)
	if err != nil {
		return nil, fmt.Errorf("unpacking a column: %w", err)
	}
	return text, nil
}
