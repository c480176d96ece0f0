package load_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// A table holds the figures: a column per database, rows in the order in which
// they came.
type table struct {
	columns []string
	mu      sync.Mutex // guards rows and cells
	rows    [][2]string
	cells   map[[3]string]string // by column, scenario and figure
}

// A sheet is one column of a table.
type sheet struct {
	table  *table
	column string
}

func newTable(columns []string) *table {
	return &table{columns: columns, cells: map[[3]string]string{}}
}

func (t *table) sheet(column string) *sheet { return &sheet{t, column} }

// add writes one figure.
func (s *sheet) add(scenario, figure, value string) {
	t := s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	row := [2]string{scenario, figure}
	if !slices.Contains(t.rows, row) {
		last := len(t.rows) // behind the last of its scenario
		for i, r := range t.rows {
			if r[0] == scenario {
				last = i + 1
			}
		}
		t.rows = slices.Insert(t.rows, last, row)
	}
	t.cells[[3]string{s.column, scenario, figure}] = value
}

// addTimes writes the median and the most of several times.
func (s *sheet) addTimes(scenario, figure string, times []time.Duration) {
	s.add(scenario, figure, fmt.Sprintf("%s, at most %s", show(quantile(times, 0.5)), show(quantile(times, 1))))
}

// String is the table as text.
func (t *table) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "scenario\tfigure\t%s\n", strings.Join(t.columns, "\t"))
	for _, row := range t.rows {
		fmt.Fprintf(w, "%s\t%s", row[0], row[1])
		for _, column := range t.columns {
			fmt.Fprintf(w, "\t%s", t.cells[[3]string{column, row[0], row[1]}])
		}
		fmt.Fprintln(w)
	}
	w.Flush() //nolint:errcheck // into memory
	return b.String()
}

// quantile is the least time that a share q of the times does not exceed.
func quantile(times []time.Duration, q float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	times = slices.Clone(times)
	slices.Sort(times)
	return times[max(0, min(len(times)-1, int(q*float64(len(times))+0.999999)-1))]
}

func show(d time.Duration) string {
	if d >= 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}
