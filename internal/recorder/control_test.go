package recorder_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// TestControl asks a running recorder over NATS, each side with its role's permissions.
func TestControl(t *testing.T) {
	g := newRig(t)
	r := g.start("one")
	g.job("j1", 30)
	g.awaitJob("j1", "announced", announced)
	g.awaitTapeEnd()
	handlers := r.Handlers(func(context.Context) (store.Scratch, func(), error) {
		w := openAt(t, filepath.Join(t.TempDir(), "scratch"))
		return scratch{w, w.Reading()}, func() { _ = w.Close() }, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	server := g.server.Conn(stream.RoleRecorder)
	go func() {
		done <- r.WhileLeading(ctx, func(ctx context.Context) error { return stream.ServeControl(ctx, server, handlers) })
	}()
	client := g.server.Conn(stream.RoleProvisioner)
	ask := func(verb string, req, result any) {
		t.Helper()
		var body []byte
		var err error
		await(t, verb+" is answered", func() bool {
			body, err = stream.CallControl(t.Context(), client, verb, req, nil)
			return err == nil
		})
		if err := json.Unmarshal(body, result); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the recorder says that it leads and stands at the end", func() bool { // it says so just after the commit
		var status recorder.StatusReply
		ask(stream.VerbStatus, struct{}{}, &status)
		return status.Role == recorder.RoleLeading && status.Position.Seq == 32
	})
	var rebuilt recorder.RebuildResult
	ask(stream.VerbRebuild, recorder.RebuildRequest{}, &rebuilt)
	var verified recorder.VerifyResult
	ask(stream.VerbVerify, struct{}{}, &verified)
	if rebuilt.Events != 32 || verified.Count != 0 || verified.Seq != 32 || verified.SHA256 != g.sum() {
		t.Errorf("rebuilt %+v, verified %+v", rebuilt, verified)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
