package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/api"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// patience is how long a test waits for something that takes milliseconds.
const patience = time.Minute

// A rig is an api on a real listener, a real NATS server and a real database.
// Nothing is recorded until the test says so.
type rig struct {
	t    *testing.T
	url  string
	nats *streamtest.Embedded
	tape *stream.TapeClient
	api  *stream.TapeClient // the tape as the api's role sees it

	writer     store.Recording
	lease      store.Lease
	projection *recorder.Projection
}

func newRig(t *testing.T, change ...func(*api.Config)) *rig {
	t.Helper()
	return newRigOn(t, streamtest.Server(t), change...)
}

// newRigOn is newRig on a NATS server of the test's own making.
func newRigOn(t *testing.T, server *streamtest.Embedded, change ...func(*api.Config)) *rig {
	t.Helper()
	return newRigIn(t, server, openDatabase(t), change...)
}

// newRigIn is newRigOn with a database of the test's own making.
func newRigIn(t *testing.T, server *streamtest.Embedded, database store.Recording, change ...func(*api.Config)) *rig {
	t.Helper()
	r := &rig{t: t, nats: server, tape: server.Tape(streamtest.Admin), api: server.Tape(stream.RoleAPI), projection: recorder.NewProjection()}
	r.writer = database
	lease, err := r.writer.Acquire(t.Context(), "test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	r.lease = lease
	config := api.Config{Tape: r.api, Reader: r.writer.Reading()}
	for _, f := range change {
		f(&config)
	}
	r.url = r.serve(config)
	return r
}

// serve runs one more api until the test ends.
func (r *rig) serve(config api.Config) string {
	r.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.New(config).Run(ctx, listener) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("Run returned %v on a wanted stop", err)
		}
	})
	return "http://" + listener.Addr().String()
}

// record folds and commits what stands on the tape and is not recorded yet.
func (r *rig) record() {
	r.t.Helper()
	state, err := r.tape.State(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	var batch []recorder.Entry
	for seq := r.lease.Position.Seq + 1; seq <= state.Last; seq++ {
		msg, err := r.tape.At(r.t.Context(), seq)
		if err != nil {
			r.t.Fatal(err)
		}
		batch = append(batch, recorder.Read(msg))
	}
	if len(batch) == 0 {
		return
	}
	missing := r.projection.Missing(batch)
	states, err := r.writer.Load(r.t.Context(), missing)
	if err != nil {
		r.t.Fatal(err)
	}
	r.projection.Learn(missing, states)
	changes := r.projection.Fold(batch)
	next := store.Position{Stream: state.Stream, Created: state.Created}
	last := batch[len(batch)-1].Message
	next.Seq, next.Anchor = last.Seq, last.Anchor()
	if len(changes.Poison) > 0 {
		r.t.Fatalf("poison: %+v", changes.Poison)
	}
	if err := r.writer.Commit(r.t.Context(), r.lease, next, changes); err != nil {
		r.t.Fatal(err)
	}
	r.lease.Position = next
}

// publish puts events on the tape without recording them.
func (r *rig) publish(data ...events.Data) {
	r.t.Helper()
	for _, d := range data {
		if _, err := r.tape.Publish(r.t.Context(), events.New("test", time.Now(), d)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// lastSeq is the tape's last sequence.
func (r *rig) lastSeq() uint64 {
	r.t.Helper()
	state, err := r.tape.State(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return state.Last
}

// queued is a job's first event.
func (r *rig) queued(id string) *events.JobQueued {
	r.t.Helper()
	recorded, err := r.tape.JobEvent(r.t.Context(), id, "queued")
	if err != nil {
		r.t.Fatal(err)
	}
	return recorded.Data.(*events.JobQueued)
}

// analyzed is an outcome of a ticker of a job with a score.
func (r *rig) analyzed(jobID, ticker string, score float64, verdict events.Verdict) *events.TickerAnalyzed {
	q := r.queued(jobID)
	now := time.Now().UTC()
	rsi := 61.5
	return &events.TickerAnalyzed{
		JobID: jobID, Ticker: ticker, Kind: events.KindAnalysis, StrategyName: q.StrategyName, StrategyHash: q.StrategyHash,
		Attempts: 1, StartedAt: now, CompletedAt: now, Analyzer: "test",
		Report: events.Report{
			TradingDay: "2026-11-20", Verdict: verdict, Score: score, Coverage: 0.9, Regime: "trending",
			Plan:    events.Plan{Side: "buy", Entry: 3450, Stop: 3381, Target: 3600, RiskReward: 2.17, Size: 5, RiskAmount: 345, Value: 17250},
			Numbers: events.Numbers{RSI14: &rsi},
			Indicators: []events.Indicator{{
				Name: "rsi", Category: "momentum", Available: true, Values: map[string]float64{"rsi": 61.5}, Vote: 1, Certainty: 0.4, Weight: 1,
			}},
			Lineage: events.Lineage{Provider: "csv", Adjustment: "split", Currency: "INR", Bars: 400, FirstBar: "2025-04-01", LastBar: "2026-11-20"},
		},
	}
}

func (r *rig) failed(jobID, ticker string, code events.FailureCode) *events.TickerFailed {
	now := time.Now().UTC()
	return &events.TickerFailed{
		JobID: jobID, Ticker: ticker, Kind: events.KindAnalysis, Code: code, Message: "the provider knows no such ticker",
		Attempts: 1, StartedAt: now, CompletedAt: now, Analyzer: "test",
	}
}

// A reply is an answer, read whole.
type reply struct {
	t      *testing.T
	Status int
	Header http.Header
	Body   []byte
}

// call sends a request; headers are pairs of name and value.
func (r *rig) call(method, path, body string, headers ...string) reply {
	r.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, reader)
	if err != nil {
		r.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	got := reply{r.t, response.StatusCode, response.Header, text}
	promised(r.t, request, body, got)
	return got
}

func (r *rig) get(path string, headers ...string) reply {
	r.t.Helper()
	return r.call(http.MethodGet, path, "", headers...)
}

func (r *rig) post(path, body string, headers ...string) reply {
	r.t.Helper()
	return r.call(http.MethodPost, path, body, headers...)
}

// want fails the test unless the answer has a status.
func (p reply) want(status int) reply {
	p.t.Helper()
	if p.Status != status {
		p.t.Fatalf("status %d, want %d: %s", p.Status, status, p.Body)
	}
	return p
}

// json is the answer as a tree.
func (p reply) json() map[string]any {
	p.t.Helper()
	var tree map[string]any
	decoder := json.NewDecoder(bytes.NewReader(p.Body))
	if err := decoder.Decode(&tree); err != nil {
		p.t.Fatalf("%v in %.300s", err, p.Body)
	}
	return tree
}

func (p reply) text(name string) string {
	p.t.Helper()
	text, ok := p.json()[name].(string)
	if !ok {
		p.t.Fatalf("no text %q in %.300s", name, p.Body)
	}
	return text
}

// submit submits a job and returns its id.
func (r *rig) submit(body string, headers ...string) string {
	r.t.Helper()
	return r.post("/api/v1/jobs", body, headers...).want(http.StatusAccepted).text("job_id")
}
