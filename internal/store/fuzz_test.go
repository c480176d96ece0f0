package store_test

import (
	"bytes"
	"testing"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
)

// FuzzUnpack: whatever stands in a packed column is a value of bounded size or
// an error; a value can be packed again and is read as the same.
func FuzzUnpack(f *testing.F) {
	for _, list := range [][]events.Indicator{nil, {{Name: "rsi", Available: true, Values: map[string]float64{"rsi": 55}}}} {
		data, err := store.EncodeIndicators(list)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	packed, err := store.PackBacktest(&events.BacktestReport{Trades: []events.Trade{{Side: "long"}}})
	if err != nil {
		f.Fatal(err)
	}
	for _, data := range [][]byte{packed.Metrics, packed.Curve, packed.Trades, {}} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var trades []events.Trade
		_ = store.Unpack(data, &trades)
		var curve events.Curve
		_ = store.Unpack(data, &curve)
		list, err := store.DecodeIndicators(data)
		if err != nil {
			return
		}
		one, err := store.EncodeIndicators(list)
		if err != nil {
			t.Fatalf("%+v cannot be packed again: %v", list, err)
		}
		again, err := store.DecodeIndicators(one)
		if err != nil {
			t.Fatalf("packed again it cannot be read: %v", err)
		}
		two, err := store.EncodeIndicators(again)
		if err != nil || !bytes.Equal(one, two) {
			t.Fatalf("packed twice it differs: %v", err)
		}
	})
}
