package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/internal/standalone"
	"github.com/tapedeck/tapedeck/internal/strategy/folder"
)

// file writes a file into a folder and returns its path.
func file(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	mine   = "name: mine\ntitle: My own\nmin_bars: 60 # a comment\nindicators:\n  rsi: {period: 9}\n"
	broken = "name: broken\nindicators:\n  rsi:\n    period: -3\n    perriod: 4\nmin_bars: many\n"
)

// TestCheckStrategies checks files without a server: every problem with its line.
func TestCheckStrategies(t *testing.T) {
	dir := t.TempDir()
	good, bad := file(t, dir, "mine.yaml", mine), file(t, dir, "broken.yml", broken)
	file(t, dir, "notes.txt", "not a strategy")
	command(t, "strategies", "--check", good).want(t, exitOK, good+": ok, strategy mine")
	found := command(t, "strategies", "--check", bad).want(t, exitFailure)
	for _, place := range []string{bad + ":4: indicators.rsi.period ", bad + ":5: indicators.rsi.perriod ", bad + ":6: min_bars "} {
		if !strings.Contains(found.out, place) {
			t.Errorf("%q is not in\n%s", place, found.out)
		}
	}
	command(t, "strategies", "--check", dir).want(t, exitFailure, "1 of 2 files", "strategy mine")
	file(t, dir, "balanced.yaml", "name: balanced\n")
	file(t, dir, "astray.yaml", strings.Replace(mine, "name: mine", "name: other", 1))
	command(t, "strategies", "--check", dir).want(t, exitFailure, "3 of 4 files", "balanced.yaml: balanced is a built-in strategy", "astray.yaml: the strategy's name is other")
	text := command(t, "strategies", "--check", bad, "--json").want(t, exitFailure).out
	var one checked
	if err := json.Unmarshal([]byte(text), &one); err != nil || len(one.Problems) != 3 || one.Problems[0].Line != 4 {
		t.Errorf("%v, %s", err, text)
	}
	command(t, "strategies", "--check", filepath.Join(dir, "missing.yaml")).want(t, exitFailure, "missing.yaml")
	command(t, "strategies", "--check", file(t, dir, "bare", mine)).want(t, exitOK, "strategy mine")
	command(t, "strategies", "--check", file(t, dir, "json", `{"name":"mine"}`)).want(t, exitOK, "strategy mine")
}

// TestStrategiesCommand lists and prints the strategies of a server, and
// analyses by one of its folder and by a file of the user's.
func TestStrategiesCommand(t *testing.T) {
	dir := t.TempDir()
	own, err := folder.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Close() })
	server := "--server=" + deck(t, func(c *standalone.Config) { c.Strategies = own })
	command(t, "strategies", server).want(t, exitOK, "balanced (default)", "weekly_4", "builtin")
	file(t, dir, "mine.yaml", mine)
	bad := file(t, dir, "broken.yml", broken)
	command(t, "strategies", server).want(t, exitOK, "mine", "My own", "folder", "unusable: broken.yml:5: ")
	if text := command(t, "strategies", "mine", server).want(t, exitOK, `"min_bars": 60`).out; !json.Valid([]byte(text)) {
		t.Errorf("not JSON: %s", text)
	}
	command(t, "strategies", "--json", server).want(t, exitOK, `"name":"mine"`)
	command(t, "strategies", "hope", server).want(t, exitFailure, "no such strategy", "balanced")
	command(t, "analyze", "TCS.NS", "--strategy=mine", server).want(t, exitOK, "TCS.NS")
	command(t, "explain", "TCS.NS", "--strategy=mine", server).want(t, exitOK, "strategy mine (My own)")

	elsewhere := t.TempDir()
	other := file(t, elsewhere, "other.yaml", strings.Replace(mine, "name: mine", "name: other", 1))
	command(t, "analyze", "INFY.NS", "--strategy", other, server).want(t, exitOK, "INFY.NS")
	command(t, "explain", "INFY.NS", "--strategy", "@"+other, server).want(t, exitOK, "strategy other (My own)")
	command(t, "analyze", "INFY.NS", "--strategy", "@"+bad, server).want(t, exitUsage, bad+":4: indicators.rsi.period", bad+":6: min_bars")
	command(t, "analyze", "INFY.NS", "--strategy", "hope", server).want(t, exitFailure, "body.strategy", "mine")
	command(t, "analyze", "INFY.NS", "--strategy", "@"+filepath.Join(elsewhere, "missing.yaml"), server).want(t, exitUsage, "missing.yaml")
	command(t, "analyze", "INFY.NS", "--strategy", filepath.Join(elsewhere, "missing"), server).want(t, exitUsage, "missing: no such file")
	command(t, "analyze", "INFY.NS", "--capital", "Inf", server).want(t, exitUsage, "--capital must be a finite number above 0")
}

// TestUniversesCommand lists and prints universes, and analyses one from the
// exchange's list and one from a file.
func TestUniversesCommand(t *testing.T) {
	exchange := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Company Name,Industry,Symbol,Series,ISIN Code")
		for i := range 50 {
			fmt.Fprintf(w, "Company %d,Industry,SYM%d,EQ,INE%09d\n", i, i, i)
		}
	}))
	t.Cleanup(exchange.Close)
	var data string
	server := "--server=" + deck(t, func(c *standalone.Config) { c.Universes.NSEURL, data = exchange.URL, c.DataDir })
	command(t, "universes", server).want(t, exitOK, "nifty50", "dow30", "when asked for")
	command(t, "universes", "nifty50", server).want(t, exitOK, "TCS.NS\n", "built in")
	done := command(t, "analyze", "--universe=niftymidcap50", "--detach", "--json", server).want(t, exitOK, `"total":50`)
	var accepted client.Accepted
	if err := json.Unmarshal([]byte(done.out), &accepted); err != nil || !strings.HasPrefix(accepted.Universe, "niftymidcap50@20") {
		t.Errorf("%v, %s", err, done.out)
	}
	if _, err := os.Stat(filepath.Join(data, standalone.UniverseDir, "niftymidcap50.txt")); err != nil {
		t.Errorf("the list is not kept: %v", err)
	}
	command(t, "job", accepted.JobID, server).want(t, exitOK, accepted.Universe)
	command(t, "analyze", "--universe=nifty500", server).want(t, exitFailure, "50 tickers where", "@FILE") // a list of 50 is not the NIFTY 500
	command(t, "analyze", "--universe=moon", server).want(t, exitFailure, "body.universe", "nifty50")
	command(t, "universes", "moon", server).want(t, exitFailure, "nifty50")

	dir := t.TempDir()
	list := file(t, dir, "list.txt", "# mine\nTCS.NS\nM&M.NS # a comment\nTCS.NS\n")
	command(t, "analyze", "--universe=@"+list, server).want(t, exitOK, "TCS.NS", "M&M.NS")
	wrong := file(t, dir, "wrong.txt", "TCS.NS\nnot a ticker\n\n*\n")
	command(t, "analyze", "--universe=@"+wrong, server).want(t, exitUsage, wrong+":2:", wrong+":4:")
	command(t, "analyze", "--universe=@"+filepath.Join(dir, "missing"), server).want(t, exitUsage, "missing", "a ticker per line")
}

// TestDoctorShowsBrokenStrategies looks at a folder with a broken file.
func TestDoctorShowsBrokenStrategies(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, "mine.yaml", mine)
	data := "--data=" + t.TempDir()
	command(t, "doctor", data, "--strategies", dir).want(t, exitFailure, "1 of your own")
	file(t, dir, "broken.yaml", broken)
	command(t, "doctor", data, "--strategies", dir).want(t, exitFailure, "broken.yaml:5: ")
	command(t, "doctor", data, "--strategies", filepath.Join(dir, "missing")).want(t, exitFailure, "missing")
}
