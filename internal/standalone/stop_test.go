package standalone_test

import (
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/analyzer"
	"github.com/tapedeck/tapedeck/internal/api"
	"github.com/tapedeck/tapedeck/internal/daemon"
	"github.com/tapedeck/tapedeck/internal/dispatcher"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/stream/pubsub"
)

// TestPartsFitTheirTime: no part allows itself more than the budget of a stop
// leaves it when those before it have used theirs up.
func TestPartsFitTheirTime(t *testing.T) {
	for part, bound := range map[string]time.Duration{
		"api": api.StopTime, "dispatcher": dispatcher.StopTime, "analyzer": analyzer.StopTime, "recorder": recorder.StopTime,
	} {
		if bound >= daemon.PartTime {
			t.Errorf("the %s takes up to %v to stop, and may have only %v", part, bound, daemon.PartTime)
		}
	}
	if pubsub.DefaultGrace >= analyzer.StopTime {
		t.Errorf("tickers in hand may take %v, and the analyzer ends after %v", pubsub.DefaultGrace, analyzer.StopTime)
	}
}
