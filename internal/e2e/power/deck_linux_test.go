package power_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/natsd"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// readyTime is how long `tapedeck up` may take to become ready on a machine
// that runs many tests at once.
const readyTime = 30 * time.Second

// building is held by the one test that builds.
var building sync.Mutex

// build builds the program, with flags of the go command before its package.
func build(t *testing.T, name string, flags ...string) string {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	path := filepath.Join(scratch, name)
	if _, err := os.Stat(path); err == nil {
		return path // by a test before
	}
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), "./cmd/tapedeck")...)
	cmd.Dir = filepath.Join("..", "..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	return path
}

// A deck is `tapedeck up` on a disk of its own.
type deck struct {
	t      *testing.T
	path   string // of the program
	disk   *disk
	data   string // the data directory
	env    []string
	server func() *nats.Conn // a connection to the tape's server; nil: the embedded one
	base   string
	client *client.Client
	up     *processes.Program
}

// newDeck starts `tapedeck up` with everything on a new disk, and waits until it
// is ready.
func newDeck(t *testing.T, path string, size int64) *deck {
	t.Helper()
	d := &deck{t: t, path: path, disk: newDisk(t, size)}
	d.data = filepath.Join(d.disk.dir, "data")
	d.start()
	return d
}

// start starts it the first time, with flags besides those that it needs.
func (d *deck) start(flags ...string) {
	d.t.Helper()
	address := processes.FreeAddress(d.t)
	d.base = "http://" + address
	var err error
	if d.client, err = client.New(d.base); err != nil {
		d.t.Fatal(err)
	}
	d.up = processes.Start(d.t, "up", d.path, d.env, append([]string{"up", "--market", "synthetic", "--data", d.data, "--http", address}, flags...)...)
	d.ready()
}

// ready waits until /readyz says so.
func (d *deck) ready() {
	d.t.Helper()
	if err := d.readyOrEnded(); err != nil {
		d.t.Fatalf("%v:\n%s", err, tail(d.up.Logs()))
	}
}

// errEnded says that a program has ended by itself.
var errEnded = errors.New("it has ended by itself")

// readyOrEnded waits until /readyz says so, or the program has ended: errEnded.
func (d *deck) readyOrEnded() (err error) {
	d.t.Helper()
	processes.Until(d.t, readyTime, "the api to be ready", func() error {
		if !d.up.Running() {
			err = errEnded
			return nil
		}
		response, err := http.Get(d.base + "/readyz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
	return err
}

func tail(log string) string { return log[max(0, len(log)-processes.ShownLog):] }

// tape is a connection to the running server that may read the whole tape.
func (d *deck) tape() (*nats.Conn, *stream.TapeClient) {
	d.t.Helper()
	var nc *nats.Conn
	if d.server != nil {
		nc = d.server()
	} else {
		nc = d.embedded(stream.RoleAPI)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		d.t.Fatal(err)
	}
	return nc, stream.NewTape(js, nil)
}

func (d *deck) embedded(role stream.Role) *nats.Conn {
	d.t.Helper()
	password, err := natsd.Password(d.data, role)
	if err != nil {
		d.t.Fatal(err)
	}
	nc, err := stream.Connect(stream.ConnectConfig{InProcess: natsd.Dial(d.data), Role: role, Password: password})
	if err != nil {
		d.t.Fatal(err)
	}
	return nc
}

// within is a context for one look.
func (d *deck) within(limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(d.t.Context(), limit)
}
