package main

import (
	"flag"
	"testing"

	"github.com/tapedeck/tapedeck/internal/config/configtest"
)

var _ = flag.Bool("update", false, "write the table of flags in docs/OPERATIONS.md")

func TestDocs(t *testing.T) { configtest.Check(t, "recorder", new(settings)) }
