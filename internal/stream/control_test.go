package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

func TestControl(t *testing.T) {
	s := streamtest.Server(t, streamtest.Bare())
	server, caller := s.Conn(stream.RoleRecorder), s.Conn(stream.RoleProvisioner)
	_, err := stream.CallControl(within(t), caller, stream.VerbStatus, nil, nil)
	wantErr(t, err, stream.ErrUnavailable)

	serving, stop := context.WithCancel(ctx)
	served := make(chan error)
	started := make(chan struct{})
	go func() {
		served <- stream.ServeControl(serving, server, map[string]stream.Control{
			stream.VerbRebuild: func(_ context.Context, req []byte, progress func(any)) (any, error) {
				for i := range 3 {
					progress(i)
				}
				return json.RawMessage(req), nil
			},
			stream.VerbVerify: func(context.Context, []byte, func(any)) (any, error) { return nil, errors.New("no good") },
			stream.VerbStatus: func(ctx context.Context, _ []byte, _ func(any)) (any, error) {
				close(started)
				<-ctx.Done() // longer than a caller's patience without beats
				return "stopped", nil
			},
		})
	}()
	var progress []string
	var answer []byte
	eventually(t, func() bool {
		progress = nil
		answer, err = stream.CallControl(within(t), caller, stream.VerbRebuild, map[string]int{"from": 1}, func(p []byte) { progress = append(progress, string(p)) })
		return err == nil // until it serves
	})
	if string(answer) != `{"from":1}` || strings.Join(progress, " ") != "0 1 2" {
		t.Errorf("answer %s, progress %v", answer, progress)
	}
	_, err = stream.CallControl(within(t), caller, stream.VerbVerify, nil, nil)
	wantErr(t, err, stream.ErrControl)
	if !strings.Contains(err.Error(), "no good") {
		t.Errorf("error %q lacks the recorder's words", err)
	}
	called := make(chan error)
	go func() {
		answer, err = stream.CallControl(within(t), caller, stream.VerbStatus, nil, nil)
		called <- err
	}()
	<-started
	stop()
	ok(t, <-served)
	ok(t, <-called)
	if string(answer) != `"stopped"` {
		t.Errorf("answer %s", answer)
	}
}

// A caller waits for a recorder that is not serving for a moment, as after a
// rebuild, when it takes its lease again.
func TestControlAbsence(t *testing.T) {
	s := streamtest.Server(t, streamtest.Bare())
	server, caller := s.Conn(stream.RoleRecorder), s.Conn(stream.RoleProvisioner)
	serving, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	time.AfterFunc(200*time.Millisecond, func() { // the first request has found nobody by then
		served <- stream.ServeControl(serving, server, map[string]stream.Control{
			stream.VerbStatus: func(context.Context, []byte, func(any)) (any, error) { return "here", nil },
		})
	})
	answer, err := stream.CallControl(within(t), caller, stream.VerbStatus, nil, nil)
	if err != nil || string(answer) != `"here"` {
		t.Errorf("answer %s, %v", answer, err)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
