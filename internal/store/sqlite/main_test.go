package sqlite_test

import (
	"testing"

	"github.com/tapedeck/tapedeck/internal/leaktest"
)

// TestMain sees to it that nothing of the store outlives its Close.
func TestMain(m *testing.M) { leaktest.Main(m) }
