package chaos_test

import (
	"fmt"
	"strings"
	"testing"
)

// A verdict is what a run found, in one line.
type verdict struct {
	t        *testing.T
	seed     uint64
	ledger   *ledger
	storm    *storm
	judge    *judge
	outcomes int
	whole    bool // everything was looked at
}

// print writes the line to standard output, where it begins with the seed and
// ends with "unlike" if nothing was wrong:
//
//	seed 123: 200 faults, 31 kills of leaders, 340 jobs, 2871 outcomes: 0 lost, 0 doubled, 0 stuck, 0 rows unlike
//
// If something was, of these kinds or another, or the run ended before all was
// looked at, it ends with FAILED and how far it came.
func (v *verdict) print() {
	var faults, leaders, jobs, stuck int
	wrongs := map[string]int{}
	if v.storm != nil {
		faults, leaders = v.storm.total, v.storm.leaders()
	}
	if v.ledger != nil {
		v.ledger.mu.Lock()
		jobs = len(v.ledger.jobs)
		v.ledger.mu.Unlock()
	}
	if v.judge != nil {
		wrongs, stuck = v.judge.wrongs, jobs-v.judge.over
	}
	end := ""
	switch {
	case !v.whole:
		end = ", FAILED before all was looked at"
	case v.t.Failed():
		end = ", FAILED"
	}
	fmt.Printf("seed %d: %d faults, %d kills of leaders, %d jobs, %d outcomes: %d lost, %d doubled, %d stuck, %d rows unlike%s\n",
		v.seed, faults, leaders, jobs, v.outcomes, wrongs[lost], wrongs[doubled], stuck, wrongs[unlike], end)
}

// leaders counts the kills of a server that led.
func (s *storm) leaders() (n int) {
	for kind, struck := range s.struck {
		if strings.HasPrefix(kind, "SIGKILL") && strings.Contains(kind, "leader") {
			n += struck
		}
	}
	return n
}
