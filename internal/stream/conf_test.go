package stream_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/internal/stream"
)

var update = flag.Bool("update", false, "write generated files")

const confPath = "../../nats.conf"

// TestConf compares the users of nats.conf with the table of topology.go.
func TestConf(t *testing.T) {
	file, err := os.ReadFile(confPath)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(file), stream.ConfBegin)
	if !ok {
		t.Fatalf("nats.conf lacks the line %q", stream.ConfBegin)
	}
	have, after, ok := strings.Cut(rest, stream.ConfEnd)
	if !ok {
		t.Fatalf("nats.conf lacks the line %q", stream.ConfEnd)
	}
	want := stream.ConfUsers()
	if *update {
		if err := os.WriteFile(confPath, []byte(before+stream.ConfBegin+want+stream.ConfEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("nats.conf differs from topology.go (-want +have), run with -update:\n%s", diff)
	}
	if strings.Count(string(file), stream.ConfSubscribers) != 1 {
		t.Errorf("nats.conf must have the line %q once", stream.ConfSubscribers)
	}
}
