package main

import (
	"flag"
	"testing"

	"github.com/tapedeck/tapedeck/internal/config/configtest"
)

var update = flag.Bool("update", false, "write the table of flags in docs/OPERATIONS.md and the golden files")

func TestDocs(t *testing.T) { configtest.Check(t, "tapedeck", new(cli)) }
