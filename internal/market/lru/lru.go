// Package lru is a map that forgets what was not used for longest, so that
// what it holds never costs more than a fixed sum. It is not safe for
// concurrent use; its owners have a mutex that guards more than the map.
package lru

import "container/list"

// A Map holds values up to a total cost. The zero Map holds nothing; use New.
type Map[K comparable, V any] struct {
	limit int
	cost  int
	order *list.List // of *item[K, V], most recently used first
	items map[K]*list.Element
}

type item[K comparable, V any] struct {
	key   K
	value V
	cost  int
}

// New returns an empty map whose values' costs never add up to more than limit (>= 0).
func New[K comparable, V any](limit int) *Map[K, V] {
	return &Map[K, V]{limit: limit, order: list.New(), items: map[K]*list.Element{}}
}

// Get returns the value of key and marks it as just used.
func (m *Map[K, V]) Get(key K) (V, bool) {
	element, ok := m.items[key]
	if !ok {
		var none V
		return none, false
	}
	m.order.MoveToFront(element)
	return element.Value.(*item[K, V]).value, true
}

// Put sets the value of key at the given cost (>= 0) and drops the longest
// unused until all fits. A value dearer than the whole limit is not kept.
func (m *Map[K, V]) Put(key K, value V, cost int) {
	m.Delete(key)
	if cost > m.limit {
		return
	}
	m.items[key] = m.order.PushFront(&item[K, V]{key: key, value: value, cost: cost})
	m.cost += cost
	for m.cost > m.limit {
		m.Delete(m.order.Back().Value.(*item[K, V]).key)
	}
}

// Delete drops key, if it is there.
func (m *Map[K, V]) Delete(key K) {
	element, ok := m.items[key]
	if !ok {
		return
	}
	m.order.Remove(element)
	delete(m.items, key)
	m.cost -= element.Value.(*item[K, V]).cost
}

// Len is the number of values held.
func (m *Map[K, V]) Len() int { return len(m.items) }

// Cost is the sum of the costs of the values held.
func (m *Map[K, V]) Cost() int { return m.cost }
