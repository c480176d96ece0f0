package csvdir_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/market/csvdir"
	"github.com/tapedeck/tapedeck/internal/referencedata"
)

// twins are the warnings of a ticker's series about other files.
func twins(t *testing.T, p *csvdir.Provider, ticker string) string {
	t.Helper()
	series, err := p.Daily(t.Context(), ticker, 9)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, warning := range series.Warnings {
		if strings.Contains(warning, "the same bars") {
			found = append(found, warning)
		}
	}
	return strings.Join(found, "|")
}

// Two files of one content are told of, at either, whoever was asked before.
func TestFilesOfTheSameContent(t *testing.T) {
	one := history(csvdir.MinAlike)
	other := strings.Replace(one, ",1003\n", ",2003\n", 1) // of the same size
	few := history(csvdir.MinAlike - 1)
	dir := folder(t, map[string]string{"A.csv": one, "B.csv": one, "C.csv": other, "D%2FE.csv": one, "L.csv": history(99), "X.csv": few, "Y.csv": few})
	if err := os.Symlink("L.csv", filepath.Join(dir, "LINK.csv")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	want := map[string]string{
		"A": "the same bars stand in B.csv, D%2FE.csv; only one of them can be what its name says",
		"B": "the same bars stand in A.csv, D%2FE.csv;", "D/E": "the same bars stand in A.csv, B.csv;", "C": "", "L": "", "LINK": "", "X": "",
	}
	for first := range want {
		p := open(t, dir)
		for _, ticker := range []string{first, "A", "B", "C", "D/E", "L", "LINK", "X", "A"} {
			if got := twins(t, p, ticker); (got == "") != (want[ticker] == "") || !strings.HasPrefix(got, want[ticker]) {
				t.Errorf("%s after %s: %q", ticker, first, got)
			}
		}
	}
	p := open(t, dir)
	twins(t, p, "A")
	for _, name := range []string{"B.csv", "D%2FE.csv"} {
		if err := os.Rename(filepath.Join(dir, "L.csv"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "L.csv"), history(98))
	}
	if got := twins(t, p, "A"); got != "" {
		t.Errorf("the others were replaced: %q", got)
	}
	later := time.Now().Add(time.Minute)
	write(t, filepath.Join(dir, "A.csv"), other) // in place: the folder's own time stays
	if err := os.Chtimes(filepath.Join(dir, "A.csv"), later, later); err != nil {
		t.Fatal(err)
	}
	if got := twins(t, p, "A"); !strings.HasPrefix(got, "the same bars stand in C.csv;") {
		t.Errorf("it became another's: %q", got)
	}
}

// Where many files have one size it says nothing, and no request reads them all.
func TestManyFilesOfOneSize(t *testing.T) {
	files := map[string]string{}
	for i := range csvdir.MaxOfSize {
		files[fmt.Sprintf("A%d.csv", i)] = history(99)
	}
	dir := folder(t, files)
	if got := twins(t, open(t, dir), "A0"); !strings.HasPrefix(got, "the same bars stand in A1.csv, A2.csv, ") {
		t.Errorf("at the limit: %q", got)
	}
	write(t, filepath.Join(dir, "B.csv"), history(99))
	if got := twins(t, open(t, dir), "A0"); got != "" {
		t.Errorf("past the limit: %q", got)
	}
}

func TestRealFilesOfTheSameContent(t *testing.T) {
	p := open(t, referencedata.Path(t, "market"))
	for ticker, want := range map[string]string{
		"VEDL.NS": "the same bars stand in WIPRO.NS.csv;", "WIPRO.NS": "the same bars stand in VEDL.NS.csv;", "VBL.NS": "the same bars stand in UNIONBANK.NS.csv, UNITDSPR.NS.csv;", "TCS.NS": "",
	} {
		if got := twins(t, p, ticker); (got == "") != (want == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", ticker, got, want)
		}
	}
}
