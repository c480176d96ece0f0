package simulation_test

import "time"

// random is SplitMix64: the same numbers from the same seed on every machine
// and with every release of Go.
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below is a number in [0, n).
func (r *random) below(n int) int { return int(r.next() % uint64(n)) }

// between is a number in [low, high].
func (r *random) between(low, high int) int { return low + r.below(high-low+1) }

// chance is true with probability p.
func (r *random) chance(p float64) bool {
	if p <= 0 {
		return false
	}
	return float64(r.next()>>11)/(1<<53) < p
}

// span is a duration in [low, high).
func (r *random) span(low, high time.Duration) time.Duration {
	return low + time.Duration(r.next()%uint64(high-low))
}

// oneOf picks an element.
func oneOf[T any](r *random, list []T) T { return list[r.below(len(list))] }
