//go:build !linux

package power_test

import "testing"

func TestPower(t *testing.T) { t.Skip("SKIPPED: power cuts are simulated with ext4 on Linux") }
