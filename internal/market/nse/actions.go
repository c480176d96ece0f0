package nse

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// An action is one line that says what happened to a symbol's shares on a day.
type action struct {
	ex    date
	kind  string  // split, bonus, factor, none (nothing happened to the prices), left (a rights issue or the like), dividend
	ratio ratio   // prices before : prices after; 1:1 for none, left and dividend
	paid  float64 // rupees a share of a dividend
	text  string  // as the note says it: "split 5:1"
	where string  // file:line
	wrong string  // why the line cannot be read; the rest but ex and where is empty then
	own   bool    // from a file in the user's format, which overrides the exchange's
}

// A ratio is a quotient of whole numbers.
type ratio struct{ num, den int64 }

func (r ratio) float() float64 { return float64(r.num) / float64(r.den) }

func (r ratio) String() string { return fmt.Sprintf("%d:%d", r.num, r.den) }

// reduced is the ratio in lowest terms.
func (r ratio) reduced() ratio {
	a, b := r.num, r.den
	for b != 0 {
		a, b = b, a%b
	}
	return ratio{r.num / a, r.den / a}
}

// times multiplies two ratios neither of which is huge.
func (r ratio) times(by ratio) ratio { return ratio{r.num * by.num, r.den * by.den}.reduced() }

// huge reports whether a ratio is too large to be multiplied further.
func (r ratio) huge() bool { return r.num > math.MaxInt32 || r.den > math.MaxInt32 }

// shares is the quotient of the numbers of shares after and before.
func (a action) shares() ratio {
	if a.kind == kindFactor {
		return ratio{1, 1}
	}
	return a.ratio
}

// The kinds of actions. A factor changes prices alone, as a demerger does.
const (
	kindSplit  = "split"
	kindBonus  = "bonus"
	kindFactor = "factor"
	kindNone   = "none"
	kindLeft   = "left"
	// kindDividend stays in the prices; it explains a previous close.
	kindDividend = "dividend"
)

// dividends are those of one day.
type dividends []action

// explain returns those that together, or one of which alone, the previous close
// lacks; nil if it is something else.
func (all dividends) explain(s step) dividends {
	sum := 0.0
	for _, a := range all {
		sum += a.paid
	}
	if s.pays(sum) {
		return all
	}
	for i, a := range all {
		if s.pays(a.paid) {
			return all[i : i+1]
		}
	}
	return nil
}

// everyDay is the ex-date of a line whose date cannot be read.
const everyDay = date(-1 << 31)

// noDate stands in the exchange's lists for an ex-date that is not known.
const noDate = "-"

// actions is what the files of corporate actions say, by symbol and oldest first.
type actions map[string][]action

// actionFiles reads the corporate actions, hot like the archive: the file that
// Config names, and in the archive's folder actions.csv and all CF-CA-*.csv.
type actionFiles struct {
	dir   string // the archive's folder
	named string // path of the file that Config names, or empty

	mu    sync.Mutex // guards what follows
	state []fs.FileInfo
	paths []string
	last  actions
}

const (
	ownActions     = "actions.csv"
	exchangePrefix = "CF-CA-"
	actionSuffix   = ".csv"
)

// load returns the actions as the files say them now; names are those of the
// archive's folder. An error is a *market.Error; faults of single lines are in
// the actions of their symbols.
func (f *actionFiles) load(names []string) (actions, error) {
	var paths []string
	if f.named != "" {
		paths = append(paths, f.named)
	}
	for _, name := range names {
		if path := filepath.Join(f.dir, name); path != f.named {
			paths = append(paths, path)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	state := make([]fs.FileInfo, len(paths))
	for i, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, unavailable(filepath.Base(path), err)
		}
		state[i] = info
	}
	if f.last != nil && slices.Equal(paths, f.paths) && slices.EqualFunc(state, f.state, same) {
		return f.last, nil
	}
	all := actions{}
	for i, path := range paths {
		if err := all.read(path, state[i]); err != nil {
			return nil, err
		}
	}
	all.settle()
	f.paths, f.state, f.last = paths, state, all
	return all, nil
}

// isActionFile says which names of the archive's folder are read.
func isActionFile(name string) bool {
	return name == ownActions || strings.HasPrefix(name, exchangePrefix) && strings.HasSuffix(name, actionSuffix)
}

// read adds what one file says.
func (all actions) read(path string, before fs.FileInfo) error {
	name := filepath.Base(path)
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return unavailable(name, err)
	}
	defer root.Close()
	data, err := readFile(root, name, before, maxActionBytes)
	if err == nil {
		err = all.parse(name, string(data))
	}
	if _, ours := errors.AsType[*market.Error](err); ours || err == nil {
		return err
	}
	return &market.Error{Code: market.CodeBadData, Where: place(name, err), Err: fmt.Errorf("%w; no prices without the corporate actions", err)}
}

// parse reads one file of either format; the error is about the whole file.
func (all actions) parse(name, text string) error {
	reader := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	reader.FieldsPerRecord = -1
	reader.TrimLeadingSpace = true
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return nil // an empty file says that nothing happened
	}
	if err != nil {
		return syntaxFault(err)
	}
	read, err := formatOf(header)
	if err != nil {
		return fault{1, err.Error()}
	}
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return syntaxFault(err)
		}
		line, _ := reader.FieldPos(0)
		where := fmt.Sprintf("%s:%d", name, line)
		symbol, found, err := read(record)
		if err != nil {
			return fault{line, err.Error()}
		}
		for _, a := range found {
			a.where = where
			all[symbol] = append(all[symbol], a)
		}
	}
}

func syntaxFault(err error) error {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return fault{parse.Line, parse.Err.Error()}
	}
	return err
}

// A lineReader reads one record; the error is one that leaves open whose it is.
type lineReader func(record []string) (symbol string, found []action, err error)

// formatOf tells the two formats apart by their headers.
func formatOf(header []string) (lineReader, error) {
	names := make([]string, len(header))
	for i, cell := range header {
		names[i] = strings.NewReplacer("_", " ", "-", " ").Replace(strings.ToLower(strings.TrimSpace(cell)))
	}
	at := func(name string) int { return slices.Index(names, name) }
	symbol, ex := at("symbol"), at("ex date")
	switch {
	case symbol < 0 || ex < 0:
	case at("kind") >= 0 && at("ratio") >= 0:
		return ownLine(len(names), symbol, ex, at("kind"), at("ratio")), nil
	case at("purpose") >= 0:
		return exchangeLine(len(names), symbol, ex, at("purpose")), nil
	}
	return nil, errors.New("the header is neither symbol,ex_date,kind,ratio nor the exchange's with SYMBOL, PURPOSE and EX-DATE")
}

// ownLine reads the user's format: TCS,2025-05-12,split,5:1.
func ownLine(width, symbol, ex, kind, ratioAt int) lineReader {
	return func(record []string) (string, []action, error) {
		name, err := symbolOf(record, width, symbol)
		if err != nil {
			return "", nil, err
		}
		a := action{ex: everyDay, own: true}
		a.kind = strings.ToLower(strings.TrimSpace(record[kind]))
		if a.kind == kindNone && strings.TrimSpace(record[ex]) == noDate {
			err = a.scale(strings.TrimSpace(record[ratioAt])) // takes the place of the exchange's lines without a date
		} else if a.ex, err = exDate(record[ex]); err == nil {
			err = a.scale(strings.TrimSpace(record[ratioAt]))
		}
		if err != nil {
			a.wrong = err.Error()
		}
		return name, []action{a}, nil
	}
}

// scale sets an own action's ratio from its text.
func (a *action) scale(text string) error {
	if a.kind == kindNone {
		a.ratio, a.text = ratio{1, 1}, kindNone
		if text != "" && text != "1:1" {
			return fmt.Errorf("kind none takes no ratio, not %s", quoted(text))
		}
		return nil
	}
	r, err := parseRatio(text)
	if err != nil {
		return err
	}
	a.text = a.kind + " " + r.String()
	switch a.kind {
	case kindSplit:
		a.ratio = r
	case kindBonus:
		a.ratio = ratio{r.num + r.den, r.den}
	case kindFactor:
		a.ratio = ratio{r.den, r.num}
	default:
		return fmt.Errorf("kind %s is not split, bonus, factor or none", quoted(a.kind))
	}
	return nil
}

// parseRatio reads two whole numbers as "5:1".
func parseRatio(text string) (ratio, error) {
	left, right, found := strings.Cut(text, ":")
	num, err1 := strconv.ParseUint(strings.TrimSpace(left), 10, 16)
	den, err2 := strconv.ParseUint(strings.TrimSpace(right), 10, 16)
	if !found || err1 != nil || err2 != nil || num == 0 || den == 0 {
		return ratio{}, fmt.Errorf("ratio %s is not two whole numbers like 5:1", quoted(text))
	}
	return ratio{int64(num), int64(den)}, nil
}

// exchangeLine reads a line of the exchange's list of corporate actions.
func exchangeLine(width, symbol, ex, purposeAt int) lineReader {
	return func(record []string) (string, []action, error) {
		name, err := symbolOf(record, width, symbol)
		if err != nil {
			return "", nil, err
		}
		found, err := parsePurpose(record[purposeAt])
		if err == nil && found == nil {
			return name, nil, nil
		}
		day, dateErr := exDate(record[ex])
		if dateErr != nil && err == nil && !slices.ContainsFunc(found, func(a action) bool { return a.kind != kindDividend }) {
			return name, nil, nil
		}
		if dateErr != nil {
			day, err = everyDay, fmt.Errorf("%w; if that is known by now say it in actions.csv, and add the line %s,%s,none, to actions.csv to pass over this one", dateErr, name, noDate)
		}
		if err != nil {
			return name, []action{{ex: day, wrong: err.Error()}}, nil
		}
		for i := range found {
			found[i].ex = day
		}
		return name, found, nil
	}
}

func symbolOf(record []string, width, at int) (string, error) {
	// The exchange's lines end with a comma that its header may not have.
	if len(record) != width && (len(record) != width+1 || record[width] != "") {
		return "", fmt.Errorf("%d fields instead of %d", len(record), width)
	}
	name := strings.TrimSuffix(strings.ToUpper(strings.TrimSpace(record[at])), tickerSuffix)
	if name == "" {
		return "", errors.New("the symbol is empty")
	}
	return name, nil
}

func exDate(text string) (date, error) {
	text = strings.TrimSpace(text)
	for _, layout := range []string{time.DateOnly, "2-Jan-2006"} {
		if t, err := time.Parse(layout, text); err == nil {
			return dateOf(t), nil
		}
	}
	return everyDay, fmt.Errorf("the ex-date %s is neither like 2006-01-02 nor like 02-Jan-2006", quoted(text))
}

// settle sorts each symbol's actions, lets the user's own lines of a day take
// the place of the exchange's, and drops what is said twice: the exchange
// repeats a line for each series.
func (all actions) settle() {
	for symbol, list := range all {
		slices.SortStableFunc(list, func(x, y action) int { return int(int64(x.ex) - int64(y.ex)) })
		var kept []action
		for _, a := range list {
			overridden := !a.own && slices.ContainsFunc(list, func(b action) bool { return b.own && b.ex == a.ex })
			said := slices.ContainsFunc(kept, func(b action) bool {
				return b.ex == a.ex && b.text == a.text && b.wrong == a.wrong
			})
			if !overridden && !said {
				kept = append(kept, a)
			}
		}
		all[symbol] = kept
	}
}
