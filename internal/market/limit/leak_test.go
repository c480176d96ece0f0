package limit_test

import (
	"testing"

	"github.com/tapedeck/tapedeck/internal/leaktest"
)

// TestMain fails the package when a goroutine outlives its tests.
func TestMain(m *testing.M) { leaktest.Main(m) }
