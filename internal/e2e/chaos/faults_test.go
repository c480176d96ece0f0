package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	// together is how many faults last at a time at most.
	together = 3
	// between is the most that passes from one fault to the next.
	between = 600 * time.Millisecond
	// lookEvery is the pause between two looks at what is due.
	lookEvery = 20 * time.Millisecond
)

// A fault is one thing that can go wrong.
type fault struct {
	kind   string // as it is counted
	weight int
	most   time.Duration // it lasts for up to so long; 0: it is over at once
	// aim says what it goes wrong with: each target has one fault at a time.
	// Empty if there is none now.
	aim func() string
	// strike makes it happen and returns what ends it; nil when there is
	// nothing to end, and false when it could not happen.
	strike func(target string) (heal func(), struck bool)
}

// at aims always at the same.
func at(target string) func() string { return func() string { return target } }

// A storm throws faults at a deck, from the test's own goroutine.
type storm struct {
	t      *testing.T
	deck   *deck
	rng    *rand.Rand
	faults []fault
	long   bool // faults may last longer than leases and time-outs

	lasting []lasting
	struck  map[string]int
	total   int
}

// A lasting is a fault that has not ended.
type lasting struct {
	target string
	until  time.Time
	heal   func()
}

// rage throws n faults, or as many as come within a time if that is above 0.
func (s *storm) rage(n int, within time.Duration, look func()) {
	s.t.Helper()
	began, next := time.Now(), time.Now()
	for within > 0 && time.Since(began) < within || within == 0 && s.total < n {
		s.mend(time.Now())
		s.deck.supervise()
		look()
		if time.Now().After(next) && len(s.lasting) < together {
			s.throw()
			next = time.Now().Add(time.Duration(s.rng.Int64N(int64(between))))
		}
		time.Sleep(lookEvery) // between two looks at the processes; the clock and the seed decide
	}
	for len(s.lasting) > 0 { // what lasts comes to its own end
		s.mend(time.Now())
		s.deck.supervise()
		time.Sleep(lookEvery) // between two looks at the processes; the clock and the seed decide
	}
}

// throw picks a fault whose target has none and lets it happen.
func (s *storm) throw() {
	sum := 0
	for _, f := range s.faults {
		sum += f.weight
	}
	at := s.rng.IntN(sum)
	var chosen fault
	for _, f := range s.faults {
		if at -= f.weight; at < 0 {
			chosen = f
			break
		}
	}
	lasts, target := s.lasts(chosen), chosen.aim()
	if target == "" || slices.ContainsFunc(s.lasting, func(l lasting) bool { return l.target == target }) {
		return
	}
	heal, struck := chosen.strike(target)
	if !struck {
		return
	}
	s.total++
	s.struck[chosen.kind]++
	if heal != nil {
		s.lasting = append(s.lasting, lasting{target, time.Now().Add(lasts), heal})
	}
}

// lasts draws how long a fault lasts: one in eight as long as it may, if long
// ones are wanted, the others at most a second and a half.
func (s *storm) lasts(f fault) time.Duration {
	most := min(f.most, 1500*time.Millisecond)
	if whole := s.rng.IntN(8) == 0; whole && s.long {
		most = f.most
	}
	return time.Duration(s.rng.Int64N(int64(most) + 1))
}

// mend ends what has lasted long enough.
func (s *storm) mend(now time.Time) {
	s.lasting = slices.DeleteFunc(s.lasting, func(l lasting) bool {
		if now.Before(l.until) {
			return false
		}
		l.heal()
		return true
	})
}

// report is what went wrong how often.
func (s *storm) report() string {
	var kinds []string
	for kind := range s.struck {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	var b strings.Builder
	for _, kind := range kinds {
		fmt.Fprintf(&b, "\n  %5d  %s", s.struck[kind], kind)
	}
	return b.String()
}
