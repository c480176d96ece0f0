package sqlite_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain sees to it that nothing of the store outlives its Close.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
