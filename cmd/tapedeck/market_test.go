package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/calendar"
	"github.com/tapedeck/tapedeck/internal/market/nse"
	"github.com/tapedeck/tapedeck/internal/market/nse/nsetest"
)

// exchange stands in for NSE's server with its newest sessions.
func exchange(t *testing.T, badness ...nsetest.Badness) (*nsetest.Exchange, []time.Time) {
	t.Helper()
	cal, known := calendar.For("XNSE")
	if !known {
		t.Fatal("no calendar of XNSE")
	}
	last := cal.LastClosed(time.Now().Add(-3 * time.Hour))
	sessions := cal.Sessions(last.AddDate(0, 0, -30), last)
	theirs := t.TempDir()
	nsetest.Archive(t, theirs, nsetest.Config{Symbols: 1000, Sessions: sessions})
	return nsetest.Serve(t, theirs, badness...), sessions
}

func TestMarketUpdate(t *testing.T) {
	e, sessions := exchange(t)
	dir, since := t.TempDir(), sessions[len(sessions)-6].Format(time.DateOnly)
	args := []string{"market", "update", "--market", "nse:" + dir + ",yahoo", "--market-rate", "1000", "--nse-url", e.URL}
	command(t, append(args, "--since", since)...).want(t, exitOK, "archive  "+dir+"\n", "sessions 6, "+since, "there    0\nfetched  6\nmissing  0\nagain    0\nfailed   0\n", "0 of 6 days", "6 of 6 days, 6 fetched")
	command(t, append(args, "--bars", "1", "--progress", "none", "--json")...).want(t, exitOK, `"sessions":11,"there":6,"fetched":5,"missing":0,"failed":0`)
	if n := e.Count(http.StatusOK); n != 11 || len(e.Requests()) != 11 {
		t.Errorf("%d of %d requests got their file", n, len(e.Requests()))
	}
	data := t.TempDir() // nse without a folder is the archive of `tapedeck up`
	command(t, "market", "update", "--market", "nse", "--data", data, "--market-rate", "1000", "--nse-url", e.URL, "--since", since).
		want(t, exitOK, "archive  "+filepath.Join(data, "nse")+"\n", "fetched  6")
}

func TestMarketUpdateThatFails(t *testing.T) {
	e, sessions := exchange(t, nsetest.Every(1, nsetest.Forbidden))
	since := sessions[len(sessions)-2].Format(time.DateOnly)
	command(t, "market", "update", "--market", "nse:"+t.TempDir(), "--market-rate", "1000", "--nse-url", e.URL, "--since", since).
		want(t, exitFailure, "2 days could not be fetched", "refuses requests from here", "failed   2")
	for _, test := range []struct {
		args []string
		text string
	}{
		{[]string{"--market", "yahoo"}, "it has no archive"},
		{[]string{"--market", "csv:x,synthetic"}, "use it alone"},
		{[]string{"--market", "nse:a,nse:b"}, "name one at a time"},
		{[]string{"--market", "nse:a", "--bars", "5", "--since", since}, "give one"},
		{[]string{"--market", "nse:a", "--since", "yesterday"}, "want YYYY-MM-DD"},
		{[]string{"--market", "nse:a", "--bars", "5001"}, "is not within"},
		{[]string{"--market", "nse:" + t.TempDir(), "--since", "1900-01-01"}, "sessions since 1900-01-01 are more than the 5000 that an archive may have; the earliest date to begin with is 20"},
		{[]string{"--market", "nse:" + t.TempDir(), "--since", "2190-01-01", "--json"}, "2190-01-01 has not come yet; the newest session whose file should be published is of 20"},
		{nil, "--market (or TAPEDECK_MARKET) is missing"},
	} {
		command(t, append([]string{"market", "update"}, test.args...)...).want(t, exitUsage, test.text)
	}
}

// Days that the exchange has no file of yet are asked for again, and it says how many.
func TestMarketUpdateSaysWhatIsAskedForAgain(t *testing.T) {
	newest := ""
	e, sessions := exchange(t, func(_ int, file string, _ int) nsetest.Answer {
		if file == newest {
			return nsetest.Missing
		}
		return nsetest.Good
	})
	last := sessions[len(sessions)-1]
	newest = nse.FileName(last)
	args := []string{"market", "update", "--market", "nse:" + t.TempDir(), "--market-rate", "1000", "--nse-url", e.URL, "--since"}
	command(t, append(args, sessions[len(sessions)-3].Format(time.DateOnly))...).
		want(t, exitOK, "fetched  2\nmissing  1\nagain    1, of those that are missing: run it again later\nfailed   0\n")
	// A date without a session is no fault, unless it has not come.
	command(t, append(args, time.Now().Format(time.DateOnly))...).want(t, exitOK, "sessions ")
}

// An interrupt ends it at once, and what has come stays.
func TestMarketUpdateInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	e, sessions := exchange(t, func(request int, _ string, _ int) nsetest.Answer {
		if request == 4 {
			interrupt()
		}
		return nsetest.Good
	})
	dir, since := t.TempDir(), sessions[0].Format(time.DateOnly)
	args := []string{"market", "update", "--market", "nse:" + dir, "--market-rate", "100", "--nse-url", e.URL, "--since", since}
	var out, errOut bytes.Buffer
	if code := run(ctx, args, &out, &errOut); code != exitInterrupted {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), errOut.String())
	}
	kept, err := filepath.Glob(filepath.Join(dir, "*.zip"))
	if err != nil || len(kept) == 0 || len(kept) == len(sessions) {
		t.Errorf("%d files, %v", len(kept), err)
	}
	command(t, args...).want(t, exitOK, fmt.Sprintf("there    %d\nfetched  %d\n", len(kept), len(sessions)-len(kept)))
}
