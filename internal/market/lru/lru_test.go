package lru_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tapedeck/tapedeck/internal/market/lru"
)

func TestLongestUnusedGoesFirst(t *testing.T) {
	m := lru.New[string, int](2)
	m.Put("a", 1, 1)
	m.Put("b", 2, 1)
	m.Get("a")
	m.Put("c", 3, 1)
	if _, ok := m.Get("b"); ok {
		t.Error("b is still there; a was used after it")
	}
	if v, ok := m.Get("a"); !ok || v != 1 {
		t.Errorf("a = %d, %v; want 1, true", v, ok)
	}
}

func TestTooDearIsNotKept(t *testing.T) {
	m := lru.New[string, int](3)
	m.Put("a", 1, 3)
	m.Put("a", 2, 4)
	if v, ok := m.Get("a"); ok {
		t.Errorf("a = %d; want nothing, neither the dear value nor the one it replaced", v)
	}
	if m.Cost() != 0 {
		t.Errorf("cost %d, want 0", m.Cost())
	}
}

// Against a plain slice ordered by use.
func TestAgainstModel(t *testing.T) {
	type pair struct{ key, value, cost int }
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 12).Draw(t, "limit")
		m := lru.New[int, int](limit)
		var model []pair // most recently used first
		take := func(key int) (pair, bool) {
			for i, p := range model {
				if p.key == key {
					model = append(model[:i:i], model[i+1:]...)
					return p, true
				}
			}
			return pair{}, false
		}
		for step := range rapid.IntRange(1, 60).Draw(t, "steps") {
			key := rapid.IntRange(0, 5).Draw(t, "key")
			if rapid.Bool().Draw(t, "put") {
				cost := rapid.IntRange(0, 5).Draw(t, "cost")
				m.Put(key, step, cost)
				take(key)
				if cost <= limit {
					model = append([]pair{{key, step, cost}}, model...)
				}
				sum := 0
				for i, p := range model {
					if sum += p.cost; sum > limit {
						model = model[:i]
						break
					}
				}
			} else {
				got, ok := m.Get(key)
				want, wantOK := take(key)
				if wantOK {
					model = append([]pair{want}, model...)
				}
				if ok != wantOK || got != want.value {
					t.Fatalf("step %d: Get(%d) = %d, %v; want %d, %v", step, key, got, ok, want.value, wantOK)
				}
			}
			if m.Len() != len(model) || m.Cost() > limit {
				t.Fatalf("step %d: %d held at cost %d; want %d within %d", step, m.Len(), m.Cost(), len(model), limit)
			}
		}
	})
}
