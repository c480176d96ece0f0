package main

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/internal/natsd"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// TestDoctorOnBuckets: what a deployment of before lacks is named, with the remedy.
func TestDoctorOnBuckets(t *testing.T) {
	dir := t.TempDir()
	data := "--data=" + dir
	server, err := natsd.Start(natsd.Config{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	nc, err := stream.Connect(stream.ConnectConfig{InProcess: server, Role: stream.RoleProvisioner, Password: server.Password(stream.RoleProvisioner)})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Provision(t.Context(), js, stream.Limits{}); err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), "KV_"+stream.BarsBucket); err != nil {
		t.Fatal(err)
	}
	command(t, "doctor", data).want(t, exitFailure, "bucket bars", "run `tapedeck provision`", "do not start")
}

// TestDoctorOnDisk: the room of the embedded server's disk is said.
func TestDoctorOnDisk(t *testing.T) {
	dir := t.TempDir()
	server, err := natsd.Start(natsd.Config{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	if said := command(t, "doctor", "--data="+dir); !strings.Contains(said.out, "disk") || !strings.Contains(said.out, "MiB free") {
		t.Errorf("doctor says\n%s", said.out)
	}
}
