package power_test

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// TestExternalDiskFull fills the disk of an external nats-server: nothing is
// accepted, readiness and doctor say what to do, that there is room again is not
// enough, and after a restart of the server everything goes on.
func TestExternalDiskFull(t *testing.T) {
	needFull(t)
	t.Parallel()
	d := &deck{t: t, path: build(t, "tapedeck"), disk: newDisk(t, smallDisk), data: t.TempDir()}
	address := processes.FreeAddress(t)
	server := streamtest.Process(t, d.disk.dir, streamtest.WithConf(func(conf string) string { return "http: \"" + address + "\"\n" + conf }))
	asked := []string{"--nats-url", server.URL(), "--nats-monitor", "http://" + address}
	d.server = func() *nats.Conn { return server.Conn(streamtest.Admin) }
	for _, role := range []stream.Role{stream.RoleAPI, stream.RoleAnalyzer, stream.RoleRecorder} {
		d.env = append(d.env, stream.PasswordVariable(role)+"="+server.Password(role))
	}
	d.start(asked...)
	l := newLedger()
	users := startLoad(d, l, *seed)
	processes.Until(t, readyTime, "outcomes", func() error { return atLeast(l.heard(), 20) })
	ballast := d.fill()
	processes.Until(t, readyTime, "the api to see that nothing is stored", func() error { return d.storing(http.StatusServiceUnavailable) })
	users.end()
	var problem *client.Problem
	r := request{key: "refused", tickers: []string{"FULL"}}
	accepted, err := d.client.Submit(t.Context(), client.Submission{Tickers: r.tickers}, r.key)
	if !errors.As(err, &problem) || problem.Status != http.StatusServiceUnavailable || problem.RetryAfter == "" {
		t.Errorf("a job on a full disk is answered %v", err)
	}
	l.answered(r, accepted, err)
	env := []string{"TAPEDECK_NATS_PASSWORD=" + server.Password(stream.RoleProvisioner)}
	doctor := func(code int, want string) {
		t.Helper()
		out, _ := processes.Command(t, code, d.path, env, append([]string{"doctor", "--data", d.data}, asked...)...)
		if !strings.Contains(out, want) {
			t.Errorf("doctor says\n%s", out)
		}
	}
	doctor(1, "make room on its disk and restart it")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	doctor(1, "make room on its disk and restart it")
	server.Kill()
	server.Start()
	for _, lost := range d.missing(l) {
		t.Error(lost)
	}
	d.submitAgain(l)
	processes.Until(t, readyTime, "the api to be ready", func() error { return d.storing(http.StatusOK) })
	d.allEnd(l, func() {})
	d.compare(l)
	d.oneOutcomeEach(l)
	doctor(0, "it can write")
	processes.Command(t, 0, d.path, env, "verify", "--data", d.data, "--nats-url", server.URL())
	t.Logf("%d jobs acknowledged; none lost", len(l.jobs))
	d.up.Stop()
}
