package pubsub

// A wheel deals turns to lanes by smooth weighted round robin: while the same
// lanes are eligible each gets its share by weight, evenly spread, and of two
// that are equally due the first. It is a pure state machine.
type wheel struct {
	weights []int
	credit  []int
}

func newWheel(weights []int) *wheel {
	return &wheel{weights: weights, credit: make([]int, len(weights))}
}

// next is the lane whose turn it is among the eligible; -1 if there are none.
// A lane that is not eligible keeps its credit as it was: it neither saves up
// turns nor loses those that it is due.
func (w *wheel) next(eligible func(lane int) bool) int {
	best, total := -1, 0
	for i, weight := range w.weights {
		if !eligible(i) {
			continue
		}
		total += weight
		w.credit[i] += weight
		if best < 0 || w.credit[i] > w.credit[best] {
			best = i
		}
	}
	if best >= 0 {
		w.credit[best] -= total
	}
	return best
}
