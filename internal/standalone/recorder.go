package standalone

import (
	"github.com/google/uuid"

	"github.com/tapedeck/tapedeck/internal/daemon"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/stream"
)

func (d *Deck) recorder() ([]daemon.Part, error) {
	js, err := d.connect(stream.RoleRecorder)
	if err != nil {
		return nil, err
	}
	tape := stream.NewTape(js, d.log)
	record := recorder.New(recorder.Config{
		Log: d.log, Store: d.writer, Reading: d.reading, Tape: recorder.OnStream(tape), Owner: "recorder-" + uuid.NewString(),
	})
	return []daemon.Part{{Name: "recorder", Run: record.Run}}, nil
}
