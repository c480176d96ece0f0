package api_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/api"
	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/strategy/folder"
)

// withFolder gives an api a folder of strategies, and returns its path.
func withFolder(t *testing.T) (dir string, change func(*api.Config)) {
	t.Helper()
	dir = t.TempDir()
	own, err := folder.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Close() })
	return dir, func(config *api.Config) { config.Strategies = own }
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestStrategies lists what a job can name, the users' folder as it stands at
// each request.
func TestStrategies(t *testing.T) {
	dir, change := withFolder(t)
	r := newRig(t, change)
	builtin := []any{"balanced", "trend_following", "mean_reversion", "momentum_breakout", "weekly_4"}
	before := r.get("/api/v1/strategies").want(http.StatusOK)
	if diff := cmp.Diff(builtin, before.column("name")); diff != "" {
		t.Errorf("built in (-want +got):\n%s", diff)
	}
	write(t, filepath.Join(dir, "mine.yaml"), "name: mine\ntitle: My own\nmin_bars: 77\n")
	write(t, filepath.Join(dir, "broken.yaml"), "name: broken\nindicators:\n  rsi:\n    period: -3\n")
	after := r.get("/api/v1/strategies", "If-None-Match", before.Header.Get("ETag")).want(http.StatusOK)
	if got := after.column("name"); got[len(got)-1] != "mine" || len(got) != 6 {
		t.Errorf("with a folder: %v", got)
	}
	if got := after.column("origin"); got[0] != "builtin" || got[5] != "folder" {
		t.Errorf("origins: %v", got)
	}
	if problems, _ := after.json()["problems"].([]any); len(problems) != 1 || !strings.HasPrefix(problems[0].(string), "broken.yaml:4: ") {
		t.Errorf("problems: %v", problems)
	}
	r.get("/api/v1/strategies", "If-None-Match", after.Header.Get("ETag")).want(http.StatusNotModified)
	mine := r.get("/api/v1/strategies/mine").want(http.StatusOK).json()
	if document, _ := mine["document"].(map[string]any); document["min_bars"] != 77.0 || mine["title"] != "My own" {
		t.Errorf("%v", mine)
	}
	unknown := r.get("/api/v1/strategies/hope").want(http.StatusNotFound)
	if detail := unknown.text("detail"); !strings.Contains(detail, "balanced") || !strings.Contains(detail, "mine") {
		t.Errorf("the choices are not in %q", detail)
	}
	if detail := r.get("/api/v1/strategies/broken").want(http.StatusConflict).text("detail"); !strings.Contains(detail, "broken.yaml:4") {
		t.Errorf("%q", detail)
	}
}

// TestStrategyDocumentCanBeSentBack takes each document as it is served and
// submits it inline: it is the same strategy.
func TestStrategyDocumentCanBeSentBack(t *testing.T) {
	r := newRig(t)
	for _, name := range namesOf(strategy.Builtins()) {
		var one struct {
			Hash     string          `json:"hash"`
			Document json.RawMessage `json:"document"`
		}
		if err := json.Unmarshal(r.get("/api/v1/strategies/"+name).want(http.StatusOK).Body, &one); err != nil {
			t.Fatal(err)
		}
		named := r.queued(r.submit(`{"tickers":["A"],"strategy":"` + name + `"}`))
		inline := r.queued(r.submit(`{"tickers":["A"],"strategy":` + string(one.Document) + `}`))
		if named.StrategyHash != one.Hash || inline.StrategyHash != one.Hash || inline.StrategyName != name {
			t.Errorf("%s: served as %s, named %s, inline %s", name, one.Hash, named.StrategyHash, inline.StrategyHash)
		}
	}
}

// TestNamesBelongToOneStrategy: a document that comes whole cannot take the name
// of another, built in or of the folder; what was accepted before is replayed
// and retried all the same.
func TestNamesBelongToOneStrategy(t *testing.T) {
	dir, change := withFolder(t)
	r := newRig(t, change)
	for _, path := range []string{"/api/v1/jobs", "/api/v1/backtests"} {
		refused := r.post(path, `{"tickers":["A"],"strategy":{"name":"balanced","min_bars":60}}`).want(http.StatusUnprocessableEntity)
		if text := string(refused.Body); !strings.Contains(text, `"body.strategy.name"`) || !strings.Contains(text, "built-in") || !strings.Contains(text, "another name") {
			t.Errorf("%s: %s", path, text)
		}
	}
	const body = `{"tickers":["A"],"strategy":{"name":"mine","min_bars":60}}`
	id := r.submit(body, "Idempotency-Key", "k")
	r.publish(r.failed(id, "A", events.FailureNoData))
	r.record()
	write(t, filepath.Join(dir, "mine.yaml"), "name: mine\nmin_bars: 60\n")
	r.submit(body) // the very document of the folder
	write(t, filepath.Join(dir, "mine.yaml"), "name: mine\nmin_bars: 61\n")
	if text := string(r.post("/api/v1/jobs", body).want(http.StatusUnprocessableEntity).Body); !strings.Contains(text, "folder") {
		t.Error(text)
	}
	if again := r.submit(body, "Idempotency-Key", "k"); again != id {
		t.Errorf("replayed as %s, not %s", again, id)
	}
	retry := r.post("/api/v1/jobs/"+id+"/retry", "").want(http.StatusAccepted).text("job_id")
	if a, b := r.queued(id), r.queued(retry); a.StrategyHash != b.StrategyHash {
		t.Errorf("retried with %s, not %s", b.StrategyHash, a.StrategyHash)
	}
}

func namesOf(documents []strategy.Document) (names []string) {
	for _, d := range documents {
		names = append(names, d.Name)
	}
	return names
}

func TestStrategySchema(t *testing.T) {
	r := newRig(t)
	answer := r.get("/api/v1/strategies/schema").want(http.StatusOK)
	if answer.Header.Get("Content-Type") != "application/schema+json" || answer.json()["$schema"] == nil {
		t.Errorf("%s: %.200s", answer.Header.Get("Content-Type"), answer.Body)
	}
}

// TestSubmitAStrategyOfTheFolder submits by name, as the file stands then.
func TestSubmitAStrategyOfTheFolder(t *testing.T) {
	dir, change := withFolder(t)
	r := newRig(t, change)
	path := filepath.Join(dir, "mine.yaml")
	write(t, path, "name: mine\nmin_bars: 60\n")
	first := r.queued(r.submit(`{"tickers":["TCS.NS"],"strategy":"mine"}`))
	write(t, path, "name: mine\nmin_bars: 61\n")
	second := r.queued(r.submit(`{"tickers":["TCS.NS"],"strategy":"mine"}`))
	for i, text := range []json.RawMessage{first.Strategy, second.Strategy} {
		document, err := strategy.Parse(text)
		if err != nil || document.Name != "mine" || document.MinBars != 60+i {
			t.Errorf("job %d carries %+v, %v", i, document, err)
		}
	}
	for body, want := range map[string][]string{
		`{"tickers":["A"],"strategy":"hope"}`:    {`"location":"body.strategy"`, "balanced", "mine"},
		`{"tickers":["A"],"strategy":""}`:        {`"location":"body.strategy"`},
		`{"tickers":["A"],"strategy":"../mine"}`: {`"location":"body.strategy"`},
		`{"tickers":["A"],"strategy":{"name":"x","indicators":{"rsi":{"perriod":3},"macd":{"fast":0}}}}`: {
			`"location":"body.strategy.indicators.rsi.perriod"`, `"location":"body.strategy.indicators.macd.fast"`},
	} {
		answer := r.post("/api/v1/jobs", body).want(http.StatusUnprocessableEntity)
		for _, part := range want {
			if !strings.Contains(string(answer.Body), part) {
				t.Errorf("%s: %q is not in %s", body, part, answer.Body)
			}
		}
	}
	write(t, path, "name: mine\nmin_bars: many\n")
	if answer := r.post("/api/v1/jobs", `{"tickers":["A"],"strategy":"mine"}`).want(http.StatusUnprocessableEntity); !strings.Contains(string(answer.Body), "mine.yaml:2") {
		t.Errorf("a broken file: %s", answer.Body)
	}
}

// TestScreenOfAStrategyOfTheFolder screens by name.
func TestScreenOfAStrategyOfTheFolder(t *testing.T) {
	dir, change := withFolder(t)
	r := newRig(t, change)
	write(t, filepath.Join(dir, "mine.json"), `{"name":"mine"}`)
	id := r.submit(`{"tickers":["TCS.NS"],"strategy":"mine"}`)
	r.publish(r.analyzed(id, "TCS.NS", 0.5, "Buy"))
	r.record()
	if got := r.get("/api/v1/results?strategy=mine&max_age_days=3000").want(http.StatusOK).column("ticker"); !slices.Equal(got, []any{"TCS.NS"}) {
		t.Errorf("screen: %v", got)
	}
	if got := r.get("/api/v1/results?strategy=balanced&max_age_days=3000").want(http.StatusOK).column("ticker"); len(got) != 0 {
		t.Errorf("another strategy's screen: %v", got)
	}
}
