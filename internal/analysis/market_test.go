package analysis_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"sync"
	"testing"

	"github.com/tapedeck/tapedeck/internal/analysis"
	"github.com/tapedeck/tapedeck/internal/market"
	"github.com/tapedeck/tapedeck/internal/referencedata"
	"github.com/tapedeck/tapedeck/internal/strategy"
)

// A question is one ticker under one strategy.
type question struct {
	series market.Series
	doc    strategy.Document
}

// TestRealMarket: every shared ticker under every strategy gives a whole and
// consistent report; and alone, again, in another order and beside others it
// gives the same, byte for byte.
func TestRealMarket(t *testing.T) {
	series := referencedata.Bars(t)
	var all []question
	for _, doc := range strategy.Builtins() {
		for _, s := range series {
			all = append(all, question{s, doc})
		}
	}
	first := make([][]byte, len(all))
	verdicts, sides, sized := map[string]map[analysis.Verdict]int{}, map[string]map[string]int{}, map[string]int{}
	for i, q := range all {
		r := analyze(t, q.series, q.doc, usual)
		checkReport(t, r, usual)
		first[i] = text(t, r)
		name := q.doc.Name
		if verdicts[name] == nil {
			verdicts[name], sides[name] = map[analysis.Verdict]int{}, map[string]int{}
		}
		verdicts[name][r.Verdict]++
		sides[name][r.Plan.Side]++
		if r.Plan.Size > 0 {
			sized[name]++
		}
	}
	for _, doc := range strategy.Builtins() {
		v := verdicts[doc.Name]
		t.Logf("| %-17s | %3d | %3d | %3d | %3d | %3d | %3d |", doc.Name,
			v[analysis.StrongBuy], v[analysis.Buy], v[analysis.Hold], v[analysis.Sell], v[analysis.StrongSell], sized[doc.Name])
		if v[analysis.Buy]+v[analysis.StrongBuy] == 0 || v[analysis.Sell]+v[analysis.StrongSell] == 0 {
			t.Errorf("%s: a whole market without a buy or without a sell", doc.Name)
		}
	}
	for i, q := range all { // a second run, in the same order
		if !bytes.Equal(first[i], text(t, analyze(t, q.series, q.doc, usual))) {
			t.Fatalf("%s under %s differs the second time", q.series.Ticker, q.doc.Name)
		}
	}
	shuffled(t, all, first)
}

// shuffled asks everything once more, at once and each in an order of its own.
func shuffled(t *testing.T, all []question, want [][]byte) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for seed := range 4 {
		wg.Go(func() {
			for _, i := range rand.New(rand.NewSource(int64(seed))).Perm(len(all)) {
				r, err := analysis.Analyze(all[i].series, all[i].doc, usual)
				if err != nil {
					errs <- err
					return
				}
				if raw, err := json.Marshal(r); err != nil || !bytes.Equal(want[i], raw) {
					errs <- fmt.Errorf("%s under %s differs beside others: %v", all[i].series.Ticker, all[i].doc.Name, err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

func text(t *testing.T, r analysis.Report) []byte {
	t.Helper()
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
