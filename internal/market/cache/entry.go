package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tapedeck/tapedeck/internal/market"
)

// An entry, format 1:
//
//	"tdb1"  CRC-32C of the rest (4 bytes, big-endian)  zstd of:
//	expires in Unix seconds, synthetic 0|1, ticker, provider, adjustment, currency,
//	warnings, notes, number of bars, dates, then open, high, low, close and volume
//
// Numbers are varints; a text is its length and bytes, a list its number and
// texts; a date is the days since the one before it, the first since 1970. A
// column holds the bits of its float64s, first the lowest byte of all bars,
// then the next: prices of two decimals share most of their bytes, and zstd
// sees them side by side. Nothing is rounded.
const (
	formatVersion = 1
	magic         = "tdb1"
	headBytes     = len(magic) + crc32.Size
	secondsPerDay = 24 * 60 * 60
	columns       = 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errEntry says that bytes are not an entry, or a spoiled one.
var errEntry = errors.New("not a whole entry of the cache")

// A codec packs and unpacks entries. Safe for concurrent use.
type codec struct {
	packer   *zstd.Encoder
	unpacker *zstd.Decoder
}

func newCodec() (codec, error) {
	packer, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return codec{}, fmt.Errorf("preparing to compress bars: %w", err)
	}
	unpacker, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxPlain), zstd.WithDecoderLowmem(true))
	if err != nil {
		return codec{}, fmt.Errorf("preparing to expand bars: %w", err)
	}
	return codec{packer, unpacker}, nil
}

// encode fails on what no valid series has: dates that are not midnight UTC or
// do not increase.
func (c codec) encode(s market.Series, expires time.Time) ([]byte, error) {
	plain := binary.AppendVarint(nil, expires.Unix())
	synthetic := uint64(0)
	if s.Synthetic {
		synthetic = 1
	}
	plain = binary.AppendUvarint(plain, synthetic)
	for _, text := range []string{s.Ticker, s.Provider, string(s.Adjustment), s.Currency} {
		plain = appendText(plain, text)
	}
	for _, list := range [][]string{s.Warnings, s.Notes} {
		plain = binary.AppendUvarint(plain, uint64(len(list)))
		for _, text := range list {
			plain = appendText(plain, text)
		}
	}
	plain, err := appendBars(plain, s.Bars)
	if err != nil {
		return nil, err
	}
	if len(plain) > maxPlain {
		return nil, fmt.Errorf("%d bytes of bars, at most %d", len(plain), maxPlain)
	}
	data := c.packer.EncodeAll(plain, make([]byte, headBytes, headBytes+len(plain)/2))
	copy(data, magic)
	binary.BigEndian.PutUint32(data[len(magic):], crc32.Checksum(data[headBytes:], castagnoli))
	return data, nil
}

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

func appendBars(to []byte, bars []market.Bar) ([]byte, error) {
	to = binary.AppendUvarint(to, uint64(len(bars)))
	last := int64(math.MinInt64)
	for i := range bars {
		date := bars[i].Date
		day := date.Unix() / secondsPerDay
		if date.Location() != time.UTC || date.Unix()%secondsPerDay != 0 || date.Nanosecond() != 0 || day <= last {
			return nil, fmt.Errorf("bar %d has the date %s: not midnight UTC, or not after the one before it", i+1, date)
		}
		if i == 0 {
			to = binary.AppendVarint(to, day)
		} else {
			to = binary.AppendVarint(to, day-last)
		}
		last = day
	}
	for column := range columns {
		for shift := 0; shift < 64; shift += 8 {
			for i := range bars {
				to = append(to, byte(math.Float64bits(*field(&bars[i], column))>>shift))
			}
		}
	}
	return to, nil
}

func field(b *market.Bar, column int) *float64 {
	return [columns]*float64{&b.Open, &b.High, &b.Low, &b.Close, &b.Volume}[column]
}

// decode reads an entry; errEntry for anything else.
func (c codec) decode(data []byte) (s market.Series, expires time.Time, err error) {
	if len(data) < headBytes || string(data[:len(magic)]) != magic ||
		binary.BigEndian.Uint32(data[len(magic):]) != crc32.Checksum(data[headBytes:], castagnoli) {
		return s, expires, errEntry
	}
	plain, err := c.unpacker.DecodeAll(data[headBytes:], nil)
	if err != nil {
		return s, expires, fmt.Errorf("%w: %w", errEntry, err)
	}
	r := reader{rest: plain}
	expires = time.Unix(r.varint(), 0)
	s.Synthetic = r.count(1) == 1
	s.Ticker, s.Provider = r.text(), r.text()
	s.Adjustment, s.Currency = market.Adjustment(r.text()), r.text()
	s.Warnings, s.Notes = r.list(), r.list()
	s.Bars = r.bars()
	if r.bad || len(r.rest) > 0 {
		return market.Series{}, time.Time{}, errEntry
	}
	return s, expires, nil
}

// A reader takes values off its rest; after the first that is not there it is
// bad and all that follow are zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

// count reads a number that may be at most most.
func (r *reader) count(most int) int {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	if r.bad || v > uint64(most) {
		r.bad = true
		return 0
	}
	return int(v)
}

func (r *reader) skip(n int) {
	if n <= 0 || n > len(r.rest) {
		r.bad, r.rest = true, nil
		return
	}
	r.rest = r.rest[n:]
}

func (r *reader) text() string {
	n := r.count(len(r.rest))
	text := string(r.rest[:min(n, len(r.rest))])
	if n > 0 {
		r.skip(n)
	}
	return text
}

func (r *reader) list() []string {
	n := r.count(len(r.rest))
	if n == 0 {
		return nil
	}
	list := make([]string, 0, min(n, 1000))
	for ; n > 0 && !r.bad; n-- {
		list = append(list, r.text())
	}
	return list
}

func (r *reader) bars() []market.Bar {
	n := r.count(len(r.rest) / (columns * 8))
	bars := make([]market.Bar, n)
	day := int64(0)
	for i := range bars {
		day += r.varint()
		bars[i].Date = time.Unix(day*secondsPerDay, 0).UTC()
	}
	if r.bad || len(r.rest) != n*columns*8 {
		r.bad = true
		return nil
	}
	for column := range columns {
		planes := r.rest[column*8*n:]
		for i := range bars {
			var bits uint64
			for plane := range 8 {
				bits |= uint64(planes[plane*n+i]) << (8 * plane)
			}
			*field(&bars[i], column) = math.Float64frombits(bits)
		}
	}
	r.rest = nil
	return bars
}
