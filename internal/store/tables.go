package store

import "strings"

// A ColumnKind says what a column holds.
type ColumnKind int

// The kinds of columns.
const (
	Text    ColumnKind = iota // UTF-8; JSON documents too
	Integer                   // int64: counts, sequences, milliseconds, flags
	Float                     // float64
	Blob                      // bytes
	Packed                    // zstd of JSON (EncodeIndicators)
)

// A Column is one column of a table.
type Column struct {
	Name string
	Kind ColumnKind
	Null bool // NULL stands for the zero time or an absent number
}

// A Table is one table of rows that are folded from the tape.
type Table struct {
	Name    string
	Columns []Column
	Key     []string // columns by which a dump is ordered, bytewise; the primary key or one as good
}

// ColumnList is the table's columns, each with a prefix ("r."), for a SELECT.
func (t Table) ColumnList(prefix string) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = prefix + c.Name
	}
	return strings.Join(names, ", ")
}

// Tables lists the tables of the fold in the order in which a batch is
// written (each after those that its foreign keys name) and a dump is made.
func Tables() []Table {
	return []Table{JobsTable(), ProgressTable(), DetailsTable(), ResultsTable(),
		IndicatorsTable(), BacktestsTable(), DaysTable(), LatestTable(), PoisonTable()}
}

// JobsTable holds Job, in the order of JobValues.
func JobsTable() Table {
	return Table{"jobs", columns(`id kind origin parent_id universe total:int capital:float
		strategy_name strategy_hash risk_percent:float position_limit_percent:float
		min_risk_reward:float bars:int request_sha256 deadline:int? created_at:int seq:int
		tickers strategy backtest`), []string{"id"}}
}

// ProgressTable holds Progress, in the order of ProgressValues; its last
// column, created_at, is the job's, which the writer looks up.
func ProgressTable() Table {
	return Table{"progress", columns(`job_id status total:int analyzed:int failed:int
		cancelled:int late:int duplicates:int started_at:int? completed_at:int? last_seq:int
		cancel_seq:int announced_seq:int created_at:int`), []string{"job_id"}}
}

// DetailsTable holds Detail, in the order of DetailValues.
func DetailsTable() Table {
	return Table{"details", columns(`job_id ticker position:int status code error_message
		attempts:int started_at:int? completed_at:int? seq:int`), []string{"job_id", "ticker"}}
}

// ResultsTable holds Result, in the order of ResultValues.
func ResultsTable() Table {
	return Table{"results", columns(`seq:int job_id ticker recorded_at:int origin strategy_name
		strategy_hash trading_day verdict score:float coverage:float regime warnings attempts:int
		started_at:int? completed_at:int? side entry:float stop:float target:float
		risk_reward:float size:int risk_amount:float value:float adjustments provider
		synthetic:int adjustment currency bars:int first_bar last_bar data_warnings
		close:float? previous_close:float? change_percent:float? volume:float?
		volume_ratio20:float? rsi14:float? macd:float? macd_signal:float? macd_hist:float?
		adx14:float? atr14:float? atr_percent:float? sma20:float? sma50:float? sma200:float?
		ema20:float? ema50:float? ema200:float? bb_upper:float? bb_lower:float? stoch_k:float?
		cci20:float? mfi14:float? high_52w:float? low_52w:float?
		data_notes`), []string{"job_id", "ticker"}}
}

// IndicatorsTable holds Indicators, in the order of IndicatorsValues.
func IndicatorsTable() Table {
	return Table{"indicators", columns(`seq:int data:packed`), []string{"seq"}}
}

// DaysTable holds Day, in the order of DayValues.
func DaysTable() Table {
	return Table{"days", columns(`ticker strategy_hash class trading_day result_seq:int`),
		[]string{"ticker", "strategy_hash", "class", "trading_day"}}
}

// LatestTable holds, for each ticker, strategy and class, the newest of days
// with its result's verdict and score. Writers derive it from days: a day
// replaces one with a lower (trading_day, result_seq).
func LatestTable() Table {
	return Table{"latest", columns(`ticker strategy_hash class trading_day result_seq:int
		verdict score:float`), []string{"ticker", "strategy_hash", "class"}}
}

// PoisonTable holds Poison, in the order of PoisonValues.
func PoisonTable() Table {
	return Table{"poison", columns(`seq:int recorded_at:int subject event_id event_type reason
		body:blob`), []string{"seq"}}
}

// columns reads "name:kind?" words: text if no kind is said, "?" for nullable.
func columns(spec string) []Column {
	kinds := map[string]ColumnKind{"": Text, "int": Integer, "float": Float, "blob": Blob, "packed": Packed}
	words := strings.Fields(spec)
	list := make([]Column, len(words))
	for i, word := range words {
		word, null := strings.CutSuffix(word, "?")
		name, kind, _ := strings.Cut(word, ":")
		list[i] = Column{Name: name, Kind: kinds[kind], Null: null}
	}
	return list
}
