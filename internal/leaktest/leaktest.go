// Package leaktest fails the tests of a package when a goroutine outlives them.
package leaktest

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a goroutine that was told to end may take. goleak itself
// waits for less than half a second, in which a busy machine may not run it.
const patience = 20 * time.Second

// Main is a package's TestMain: it runs the tests, and fails them when a
// goroutine is left that does not end.
func Main(m *testing.M) { goleak.VerifyTestMain(patient{m}) }

// patient are tests that return when no goroutine is left, or at the end of patience.
type patient struct{ *testing.M }

// Run implements goleak.TestingM.
func (p patient) Run() int {
	code := p.M.Run()
	for deadline := time.Now().Add(patience); code == 0 && goleak.Find() != nil && time.Now().Before(deadline); { // Find waits between its looks
	}
	return code
}
