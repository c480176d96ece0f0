package recorder_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/recorder"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/postgres"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/store/sqlite"
	"github.com/tapedeck/tapedeck/internal/stream"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// patience bounds every wait of a test: far above what it takes on a busy machine.
const patience = 60 * time.Second

// A rig is a real tape and a real database.
type rig struct {
	t      *testing.T
	server *streamtest.Embedded
	tape   *stream.TapeClient
	path   string
	reader store.Reading
	// postgres is the address of the database; empty: it is the SQLite file path.
	postgres string
	latest   *running // started last
}

// newPostgresRig is newRig on PostgreSQL.
func newPostgresRig(t *testing.T, opts ...streamtest.Option) *rig {
	t.Helper()
	server := streamtest.Server(t, opts...)
	g := &rig{t: t, server: server, tape: server.Tape(streamtest.Admin), postgres: postgrestest.Database(t)}
	g.reader = g.open().Reading()
	return g
}

func newRig(t *testing.T, opts ...streamtest.Option) *rig {
	t.Helper()
	server := streamtest.Server(t, opts...)
	g := &rig{t: t, server: server, tape: server.Tape(streamtest.Admin), path: filepath.Join(t.TempDir(), "tapedeck.db")}
	w := g.open()
	g.reader = w.Reading()
	return g
}

// open opens the database for one more recorder.
func (g *rig) open() store.Recording {
	g.t.Helper()
	if g.postgres == "" {
		return openAt(g.t, g.path)
	}
	w, err := postgres.OpenRecording(postgres.Options{URL: g.postgres})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = w.Close() })
	return migrate(g.t, w)
}

func openAt(t *testing.T, path string) store.Recording {
	t.Helper()
	w := sqlite.OpenWriter(path)
	t.Cleanup(func() { _ = w.Close() })
	if err := w.Migrate(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	return w
}

// A running recorder.
type running struct {
	*recorder.Recorder
	stop func() error // ends it in order and returns what Run returned
	done chan struct{}
	err  error // valid after done
}

func (g *rig) start(owner string, change ...func(*recorder.Config)) *running {
	g.t.Helper()
	w := g.open()
	cfg := recorder.Config{
		Log: slog.New(slog.NewTextHandler(g.t.Output(), nil)), Store: w, Reading: w.Reading(),
		Tape: recorder.OnStream(g.server.Tape(streamtest.Admin)), Owner: owner,
	}
	for _, f := range change {
		f(&cfg)
	}
	r := &running{Recorder: recorder.New(cfg), done: make(chan struct{})}
	g.latest = r
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(r.done)
		r.err = r.Run(ctx)
	}()
	r.stop = func() error {
		cancel()
		select {
		case <-r.done:
		case <-time.After(patience):
			g.t.Fatal("the recorder does not stop")
		}
		return r.err
	}
	g.t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

// ends waits until the recorder stops by itself.
func (r *running) ends(t *testing.T) error {
	t.Helper()
	select {
	case <-r.done:
		return r.err
	case <-time.After(patience):
		t.Fatal("the recorder does not stop")
		return nil
	}
}

// publish stores events; each must be new.
func (g *rig) publish(datas ...events.Data) {
	g.t.Helper()
	for _, data := range datas {
		if _, err := g.tape.Publish(g.t.Context(), events.New("test", time.Now(), data)); err != nil {
			g.t.Fatal(err)
		}
	}
}

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond) // between two looks, not to order anything
	}
}

// awaitJob waits until the recorded progress of a job is as wanted.
func (g *rig) awaitJob(id, what string, is func(store.Progress) bool) store.Progress {
	g.t.Helper()
	var p store.Progress
	await(g.t, fmt.Sprintf("job %s %s", id, what), func() bool {
		view, _, err := g.reader.Job(g.t.Context(), id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			g.t.Fatal(err)
		}
		p = view.Progress
		return err == nil && is(p)
	})
	return p
}

func announced(p store.Progress) bool { return p.AnnouncedSeq > 0 }

// queued makes a legal JobQueued.
func queued(id string, tickers ...string) *events.JobQueued {
	return &events.JobQueued{
		JobID: id, Kind: events.KindAnalysis, Origin: events.OriginAPI, Tickers: tickers, Capital: 100_000,
		StrategyName: "balanced", StrategyHash: "h", Strategy: []byte(`{"name":"balanced"}`),
		Options:  events.Options{RiskPercent: 1, PositionLimitPercent: 20, MinRiskReward: 1.5, Bars: 400},
		Deadline: time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC), RequestSHA256: "r",
	}
}

// analyzed makes a legal TickerAnalyzed.
func analyzed(id, ticker string) *events.TickerAnalyzed {
	closing := 101.5
	at := time.Date(2026, 11, 25, 10, 0, 0, 123456789, time.UTC)
	return &events.TickerAnalyzed{
		JobID: id, Ticker: ticker, Kind: events.KindAnalysis, StrategyName: "balanced", StrategyHash: "h",
		Attempts: 1, StartedAt: at, CompletedAt: at.Add(time.Second), Analyzer: "a1",
		Report: events.Report{
			TradingDay: "2026-11-24", Verdict: events.Buy, Score: 0.25, Coverage: 1, Regime: "trending",
			Plan:       events.Plan{Side: "buy", Entry: 100, Stop: 95, Target: 110, RiskReward: 2, Size: 10},
			Numbers:    events.Numbers{Close: &closing},
			Indicators: []events.Indicator{{Name: "rsi", Category: "momentum", Available: true, Values: map[string]float64{"rsi": 55}}},
			Lineage:    events.Lineage{Provider: "csv", Adjustment: "split", Currency: "INR", Bars: 300, FirstBar: "2025-01-01", LastBar: "2026-11-24"},
		},
	}
}

// failed makes a legal TickerFailed.
func failed(id, ticker string, code events.FailureCode) *events.TickerFailed {
	return &events.TickerFailed{
		JobID: id, Ticker: ticker, Kind: events.KindAnalysis, Code: code, Message: "no such ticker", Attempts: 1,
		StartedAt: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC), CompletedAt: time.Date(2026, 11, 25, 10, 0, 1, 0, time.UTC), Analyzer: "a1",
	}
}

func names(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s%d.NS", prefix, i)
	}
	return list
}

// job publishes a whole job of n tickers: every third fails.
func (g *rig) job(id string, n int) {
	g.t.Helper()
	tickers := names("T", n)
	g.publish(queued(id, tickers...))
	outcomes := make([]events.Event, n)
	for i, ticker := range tickers {
		var data events.Data = analyzed(id, ticker)
		if i%3 == 2 {
			data = failed(id, ticker, events.FailureNoData)
		}
		outcomes[i] = events.New("test", time.Now(), data)
	}
	for batch := range slices.Chunk(outcomes, 200) {
		if err := g.tape.PublishBatch(g.t.Context(), batch); err != nil {
			g.t.Fatal(err)
		}
	}
}

// sum is the hash of the canonical dump of the live tables.
func (g *rig) sum() string {
	g.t.Helper()
	sum, _, _, err := store.HashDump(g.t.Context(), g.reader)
	if err != nil {
		g.t.Fatal(err)
	}
	return sum
}

// awaitTapeEnd waits until everything on the tape is recorded.
func (g *rig) awaitTapeEnd() uint64 {
	g.t.Helper()
	var last uint64
	await(g.t, "the database at the end of the tape", func() bool {
		state, err := g.tape.State(g.t.Context())
		if err != nil {
			g.t.Fatal(err)
		}
		pos, err := g.reader.Position(g.t.Context())
		if err != nil {
			g.t.Fatal(err)
		}
		last = state.Last
		return pos.Seq >= last
	})
	return last
}

// saveTape copies the server's directory; the function puts the copy in its
// place: a tape that lost its tail.
func (g *rig) saveTape() (restore func()) {
	g.t.Helper()
	saved := filepath.Join(g.t.TempDir(), "saved")
	g.server.Stop()
	if err := os.CopyFS(saved, os.DirFS(g.server.Dir())); err != nil {
		g.t.Fatal(err)
	}
	g.server.Start()
	return func() {
		g.server.Stop()
		old, err := os.ReadDir(g.server.Dir())
		if err != nil {
			g.t.Fatal(err)
		}
		for _, entry := range old {
			if err := os.RemoveAll(filepath.Join(g.server.Dir(), entry.Name())); err != nil {
				g.t.Fatal(err)
			}
		}
		if err := os.CopyFS(g.server.Dir(), os.DirFS(saved)); err != nil {
			g.t.Fatal(err)
		}
		g.server.Start()
	}
}

// recreateTape deletes TAPE and makes it anew, beginning at first.
func (g *rig) recreateTape(ctx context.Context, first uint64) error {
	js := g.server.JetStream(streamtest.Admin)
	s, err := js.Stream(ctx, stream.Tape)
	if err == nil {
		config := s.CachedInfo().Config
		config.FirstSeq = first
		if err := js.DeleteStream(ctx, stream.Tape); err != nil {
			return err
		}
		_, err = js.CreateStream(ctx, config)
		return err
	}
	if err := stream.Provision(ctx, js, stream.Limits{}); err != nil {
		return err
	}
	return g.recreateTape(ctx, first)
}
