package nse_test

import (
	"testing"

	"github.com/tapedeck/tapedeck/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
