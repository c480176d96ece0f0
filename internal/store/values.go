package store

import (
	"encoding/json"
	"time"

	"github.com/tapedeck/tapedeck/events"
)

// This file maps rows to the values of columns, for both databases alike. The
// way back is package query. Values are string, int64, float64, []byte or nil.

// Millis is a time as its column holds it: milliseconds, or nil for the zero time.
func Millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// Time undoes Millis; nil gives the zero time.
func Time(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return time.UnixMilli(*ms).UTC()
}

// CreatedNanos is a stream's time of creation as the checkpoint holds it: it
// is an identity, so no digit of it may go. 0 is the zero time.
func CreatedNanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// CreatedTime undoes CreatedNanos.
func CreatedTime(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// JobValues appends the values of JobsTable's columns.
func JobValues(dst []any, j *Job) []any {
	return append(dst, j.ID, string(j.Kind), string(j.Origin), j.ParentID, j.Universe,
		int64(j.Total), plain(j.Capital), j.StrategyName, j.StrategyHash,
		plain(j.Options.RiskPercent), plain(j.Options.PositionLimitPercent),
		plain(j.Options.MinRiskReward), int64(j.Options.Bars), j.RequestSHA256,
		Millis(j.Deadline), j.CreatedAt.UnixMilli(), int64(j.Seq), list(j.Tickers), string(j.Strategy), object(j.Backtest))
}

// ProgressValues appends the values of ProgressTable's columns but the last.
func ProgressValues(dst []any, p *Progress) []any {
	return append(dst, p.JobID, string(p.Status), int64(p.Total), int64(p.Analyzed),
		int64(p.Failed), int64(p.Cancelled), int64(p.Late), int64(p.Duplicates),
		Millis(p.StartedAt), Millis(p.CompletedAt), int64(p.LastSeq), int64(p.CancelSeq),
		int64(p.AnnouncedSeq))
}

// DetailValues appends the values of DetailsTable's columns.
func DetailValues(dst []any, d *Detail) []any {
	return append(dst, d.JobID, d.Ticker, int64(d.Position), d.Status, string(d.Code), d.Message,
		int64(d.Attempts), Millis(d.StartedAt), Millis(d.CompletedAt), int64(d.Seq))
}

// ResultValues appends the values of ResultsTable's columns.
func ResultValues(dst []any, r *Result) []any {
	p, l := &r.Plan, &r.Lineage
	dst = append(dst, int64(r.Seq), r.JobID, r.Ticker, r.RecordedAt.UnixMilli(), string(r.Origin),
		r.StrategyName, r.StrategyHash, r.TradingDay, string(r.Verdict), plain(r.Score),
		plain(r.Coverage), r.Regime, list(r.Warnings), int64(r.Attempts), Millis(r.StartedAt),
		Millis(r.CompletedAt), p.Side, plain(p.Entry), plain(p.Stop), plain(p.Target),
		plain(p.RiskReward), p.Size, plain(p.RiskAmount), plain(p.Value), list(p.Adjustments),
		l.Provider, flag(l.Synthetic), l.Adjustment, l.Currency, int64(l.Bars), l.FirstBar, l.LastBar,
		list(l.Warnings))
	for _, number := range NumberFields(&r.Numbers) {
		dst = append(dst, maybe(*number))
	}
	return append(dst, list(l.Notes))
}

// NumberFields are the places of a result's numbers in the order of the columns.
func NumberFields(n *events.Numbers) []**float64 {
	return []**float64{&n.Close, &n.PreviousClose, &n.ChangePercent, &n.Volume, &n.VolumeRatio20,
		&n.RSI14, &n.MACD, &n.MACDSignal, &n.MACDHist, &n.ADX14, &n.ATR14, &n.ATRPercent,
		&n.SMA20, &n.SMA50, &n.SMA200, &n.EMA20, &n.EMA50, &n.EMA200, &n.BBUpper, &n.BBLower,
		&n.StochK, &n.CCI20, &n.MFI14, &n.High52w, &n.Low52w}
}

// IndicatorsValues appends the values of IndicatorsTable's columns.
func IndicatorsValues(dst []any, i *Indicators) []any {
	return append(dst, int64(i.Seq), notNil(i.Data))
}

// DayValues appends the values of DaysTable's columns.
func DayValues(dst []any, d *Day) []any {
	return append(dst, d.Ticker, d.StrategyHash, d.Class, d.TradingDay, int64(d.ResultSeq))
}

// PoisonValues appends the values of PoisonTable's columns.
func PoisonValues(dst []any, p *Poison) []any {
	return append(dst, int64(p.Seq), p.RecordedAt.UnixMilli(), p.Subject, p.EventID, p.EventType,
		p.Reason, notNil(p.Body))
}

// list is a list of texts as JSON. nil is written as the empty list, and the
// empty list is read back.
func list(texts []string) string {
	if len(texts) == 0 {
		return "[]"
	}
	data, _ := json.Marshal(texts) // texts cannot fail to encode
	return string(data)
}

// object is what a backtest asks as JSON; the empty text for none.
func object(b *events.Backtest) string {
	if b == nil {
		return ""
	}
	data, _ := json.Marshal(b) // finite numbers always encode
	return string(data)
}

// plain turns -0 into 0: SQLite keeps no sign of a zero, PostgreSQL does.
func plain(f float64) float64 { return f + 0 }

// notNil keeps an empty blob from being taken for NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
