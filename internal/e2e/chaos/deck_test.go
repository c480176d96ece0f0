package chaos_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

const (
	// readyTime is how long the pipeline may take to become ready, with a cluster
	// and on a machine that does much else.
	readyTime = time.Minute
	// quickAckWait replaces stream.AckWait unless -shipped.
	quickAckWait = 3 * time.Second
	// reviveAfter is the pause after which a supervisor starts a program again
	// that ended by itself.
	reviveAfter = 300 * time.Millisecond
)

// A member is a program of a role, under a supervisor: one that ends by itself
// is started again.
type member struct {
	*processes.Program
	name    string
	metrics string    // address of its metrics
	down    bool      // on purpose
	began   time.Time // the last of its lives
	ended   time.Time // when it was seen to have ended by itself; zero while it runs
	told    int       // bytes of its log that were looked at
}

// A deck is the pipeline with the network between its parts.
type deck struct {
	t         *testing.T
	client    *client.Client
	base      string // of the api, straight
	nats      []*streamtest.Proc
	postgres  *postgrestest.Instance // nil on SQLite
	owner     string                 // address of the database for the recorder, straight
	reader    string                 // and for the api
	data      string                 // directory of the embedded mode; empty: the roles are processes of their own
	members   []*member
	natsLinks map[string][]*link // by role, one to each node
	pgLinks   map[string]*link   // by role
	apiLink   *link              // of all clients
	revived   map[string]int     // programs that ended by themselves, by name and reason
	shipped   bool
}

// A setup is what a deck is made of.
type setup struct {
	nodes   int
	shipped bool // with the waits as they are shipped
	sqlite  bool // the database is a file
}

// newServers starts the servers, and no program yet.
func newServers(t *testing.T, s setup) *deck {
	t.Helper()
	d := &deck{
		t: t, shipped: s.shipped, revived: map[string]int{},
		natsLinks: map[string][]*link{}, pgLinks: map[string]*link{},
	}
	dir := t.TempDir() // before keepLogs: what is made last goes first
	keepLogs(t, d)
	d.nats = streamtest.Cluster(t, dir, s.nodes)
	if s.sqlite {
		d.owner = "sqlite:" + filepath.Join(dir, "tapedeck.db")
		d.reader = d.owner
	} else {
		d.postgres = postgrestest.Start(t, "", postgrestest.Options{TCP: true})
		d.owner, d.reader = d.postgres.Users(t)
	}
	d.operate("provision", "--replicas", fmt.Sprint(s.nodes))
	d.operate("subscriber", "add", subscriberName, "--from", "1")
	if !s.shipped {
		d.quicken()
	}
	processes.Command(t, 0, filepath.Join(binaries, "tapedeck"), nil, "migrate", "--database-url", d.owner)
	return d
}

// newDeck starts everything and waits until it is ready.
func newDeck(t *testing.T, s setup) *deck {
	t.Helper()
	d := newServers(t, s)
	for _, role := range []string{"api", "analyzer", "recorder", "subscriber"} {
		for _, node := range d.nats {
			d.natsLinks[role] = append(d.natsLinks[role], newLink(t, strings.TrimPrefix(node.URL(), "nats://"), batchBytes))
		}
	}
	if !s.sqlite {
		d.pgLinks["recorder"], d.pgLinks["api"] = newLink(t, hostOf(t, d.owner), batchBytes), newLink(t, hostOf(t, d.reader), batchBytes)
	}
	address := processes.FreeAddress(t)
	d.base, d.apiLink = "http://"+address, newLink(t, address, callBytes)
	var err error
	if d.client, err = client.New("http://" + d.apiLink.address()); err != nil {
		t.Fatal(err)
	}
	var reconcile []string
	if !s.shipped {
		reconcile = []string{"--reconcile-every", "1s"}
	}
	through := func(database, role string) string {
		if s.sqlite {
			return database
		}
		return replaceHost(t, database, d.pgLinks[role].address())
	}
	d.start("recorder-1", "recorder", stream.RoleRecorder, through(d.owner, "recorder"), reconcile...)
	d.start("recorder-2", "recorder", stream.RoleRecorder, through(d.owner, "recorder"), reconcile...)
	d.start("analyzer-1", "analyzer", stream.RoleAnalyzer, "", "--market", "synthetic")
	d.start("analyzer-2", "analyzer", stream.RoleAnalyzer, "", "--market", "synthetic")
	d.start("api", "api", stream.RoleAPI, through(d.reader, "api"), "--http", address)
	d.ready()
	return d
}

func (d *deck) start(name, binary string, role stream.Role, database string, args ...string) {
	env := []string{"TAPEDECK_NATS_URL=" + d.natsURL(binary), "TAPEDECK_NATS_PASSWORD=" + d.nats[0].Password(role)}
	if database != "" {
		env = append(env, "TAPEDECK_DATABASE_URL="+database)
	}
	base := d.base
	if binary != "api" {
		health := processes.FreeAddress(d.t)
		base, args = "http://"+health, append(args, "--health", health)
	}
	program := processes.Start(d.t, name, filepath.Join(binaries, binary), env, args...)
	d.members = append(d.members, &member{Program: program, name: name, metrics: base + "/metrics", began: time.Now()})
}

// natsURL lists the links of a role's programs to the servers.
func (d *deck) natsURL(role string) string {
	urls := make([]string, len(d.natsLinks[role]))
	for i, l := range d.natsLinks[role] {
		urls[i] = "nats://" + l.address()
	}
	return strings.Join(urls, ",")
}

// straight lists the servers themselves.
func (d *deck) straight() string {
	urls := make([]string, len(d.nats))
	for i, node := range d.nats {
		urls[i] = node.URL()
	}
	return strings.Join(urls, ",")
}

// operate runs one of the operator's commands, which must succeed, with
// nothing between it and the servers.
func (d *deck) operate(args ...string) string {
	d.t.Helper()
	if d.data != "" {
		out, _ := processes.Command(d.t, 0, filepath.Join(binaries, "tapedeck"), nil, append(args, "--data", d.data)...)
		return out
	}
	env := []string{"TAPEDECK_NATS_URL=" + d.straight(), "TAPEDECK_NATS_PASSWORD=" + d.nats[0].Password(stream.RoleProvisioner)}
	out, _ := processes.Command(d.t, 0, filepath.Join(binaries, "tapedeck"), env, args...)
	return out
}

// admin is a connection to the servers that may do everything.
func (d *deck) admin() (*nats.Conn, jetstream.JetStream) {
	d.t.Helper()
	nc, js, err := stream.Open(stream.ConnectConfig{URL: d.straight(), Role: streamtest.Admin, Password: d.nats[0].Password(streamtest.Admin)})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(nc.Close)
	return nc, js
}

// quicken shortens the wait after which the servers deliver again what a killed
// process held.
func (d *deck) quicken() {
	d.t.Helper()
	_, js := d.admin()
	ctx, cancel := context.WithTimeout(d.t.Context(), readyTime)
	defer cancel()
	consumers := map[string][]string{stream.Tape: {stream.DispatchConsumer, stream.SubscriberConsumer(subscriberName)}}
	for _, lane := range stream.Lanes() {
		consumers[stream.Work] = append(consumers[stream.Work], lane.Consumer())
	}
	for name, list := range consumers {
		for _, durable := range list {
			c, err := js.Consumer(ctx, name, durable)
			if err != nil {
				d.t.Fatal(err)
			}
			config := c.CachedInfo().Config
			config.AckWait = quickAckWait
			if _, err := js.UpdateConsumer(ctx, name, config); err != nil {
				d.t.Fatal(err)
			}
		}
	}
}

func (d *deck) ready() {
	d.t.Helper()
	processes.Until(d.t, readyTime, "the api to be ready", func() error {
		d.supervise()
		ctx, cancel := context.WithTimeout(d.t.Context(), 5*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+"/readyz", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
}

// supervise starts again what has ended by itself, and notes why. A program may
// only end because it could not begin without a server or the database. It says
// whether all were running.
func (d *deck) supervise() (whole bool) {
	whole = true
	for _, m := range d.members {
		if !m.down && m.Running() {
			continue
		}
		whole = false
		if m.down {
			continue
		}
		if m.ended.IsZero() {
			m.ended = time.Now()
			d.note(m)
		}
		if time.Since(m.ended) > reviveAfter {
			m.start()
		}
	}
	return whole
}

// start starts it again.
func (m *member) start() {
	m.down, m.began, m.ended = false, time.Now(), time.Time{}
	m.Start()
}

// note holds that a program which ended with an error could not begin, and counts it.
func (d *deck) note(m *member) {
	reason, legal := m.reason()
	if legal == "" {
		d.t.Errorf("%s ended by itself: %s", m.name, reason)
	}
	d.revived[m.name+": "+legal]++
}

// reason finds in the log why a program ended, and what it was beginning: empty
// if it had begun.
func (m *member) reason() (reason, beginning string) {
	text := m.Logs()
	for line := range strings.Lines(text[min(m.told, len(text)):]) {
		if strings.Contains(line, " stopped\" err=") {
			reason = strings.TrimSpace(line)
		}
	}
	m.told = len(text)
	for _, legal := range []string{"connecting to NATS", "migrating the database", "opening the database"} {
		if strings.Contains(reason, "err=\""+legal) {
			beginning = legal
		}
	}
	return reason, beginning
}

// cuts counts the connections that were cut in a request or before its answer.
func (d *deck) cuts() (n int64) {
	n = d.apiLink.cuts.Load()
	for _, l := range d.pgLinks {
		n += l.cuts.Load()
	}
	for _, links := range d.natsLinks {
		for _, l := range links {
			n += l.cuts.Load()
		}
	}
	return n
}

// verified is what verify prints, which must find nothing.
func (d *deck) verified(args ...string) (sum string, seq uint64) {
	d.t.Helper()
	out := d.operate(append([]string{"verify", "--json"}, args...)...)
	var result struct {
		Seq    uint64 `json:"seq"`
		SHA256 string `json:"sha256"`
		Count  int    `json:"count"`
	}
	if err := json.Unmarshal([]byte(strings.TrimSpace(out)), &result); err != nil {
		d.t.Fatalf("reading what verify printed: %v\n%s", err, out)
	}
	if result.Count != 0 {
		d.t.Errorf("verify finds %d differences: %s", result.Count, out)
	}
	return result.SHA256, result.Seq
}

// keepLogs copies the logs of a failed test to a place that stays.
func keepLogs(t *testing.T, d *deck) {
	t.Helper()
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		dir, err := os.MkdirTemp("", "tapedeck-chaos-")
		if err != nil {
			t.Log(err)
			return
		}
		for _, m := range d.members {
			if err := os.WriteFile(filepath.Join(dir, m.name+".log"), []byte(m.Logs()), 0o600); err != nil {
				t.Log(err)
			}
		}
		for i, node := range d.nats {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("nats-%d.log", i+1)), node.Logs(), 0o600); err != nil {
				t.Log(err)
			}
		}
		t.Logf("the logs are kept in %s", dir)
	})
}

func hostOf(t *testing.T, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func replaceHost(t *testing.T, database, host string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = host
	return u.String()
}
