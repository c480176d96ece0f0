package query

import (
	"encoding/json"
	"fmt"

	"github.com/tapedeck/tapedeck/internal/store"
)

// This file maps columns to rows; the way there is store's values.go.

// jobListColumns are the columns of a job in lists, without the wide ones.
const jobListColumns = `j.id, j.kind, j.origin, j.parent_id, j.universe, j.total, j.capital,
	j.strategy_name, j.strategy_hash, j.risk_percent, j.position_limit_percent,
	j.min_risk_reward, j.bars, j.request_sha256, j.deadline, j.created_at, j.seq`

const progressColumns = `p.status, p.total, p.analyzed, p.failed, p.cancelled, p.late, p.duplicates,
	p.started_at, p.completed_at, p.last_seq, p.cancel_seq, p.announced_seq`

const (
	jobViewColumns = jobListColumns + ", " + progressColumns
	wholeJob       = jobViewColumns + ", j.tickers, j.strategy, j.backtest"
	jobViews       = `progress p JOIN jobs j ON j.id = p.job_id`
)

const detailColumns = `job_id, ticker, position, status, code, error_message, attempts,
	started_at, completed_at, seq`

// scanJobView scans jobViewColumns and what more is asked for.
func scanJobView(rows Rows, more ...any) (v store.JobView, err error) {
	var deadline, created, started, completed *int64
	j, p := &v.Job, &v.Progress
	dest := []any{&j.ID, &j.Kind, &j.Origin, &j.ParentID, &j.Universe, &j.Total, &j.Capital,
		&j.StrategyName, &j.StrategyHash, &j.Options.RiskPercent, &j.Options.PositionLimitPercent,
		&j.Options.MinRiskReward, &j.Options.Bars, &j.RequestSHA256, &deadline, &created, &j.Seq,
		&p.Status, &p.Total, &p.Analyzed, &p.Failed, &p.Cancelled, &p.Late, &p.Duplicates,
		&started, &completed, &p.LastSeq, &p.CancelSeq, &p.AnnouncedSeq}
	if err := rows.Scan(append(dest, more...)...); err != nil {
		return v, fmt.Errorf("scanning a job: %w", err)
	}
	j.Deadline, j.CreatedAt = store.Time(deadline), store.Time(created)
	p.JobID, p.StartedAt, p.CompletedAt = j.ID, store.Time(started), store.Time(completed)
	return v, nil
}

func scanListedJob(rows Rows) (store.JobView, error) { return scanJobView(rows) }

// scanWholeJob scans the columns of wholeJob.
func scanWholeJob(rows Rows) (store.JobView, error) {
	var tickers, strategy, backtest string
	v, err := scanJobView(rows, &tickers, &strategy, &backtest)
	if err != nil {
		return v, err
	}
	v.Strategy = []byte(strategy)
	if backtest != "" {
		if err := json.Unmarshal([]byte(backtest), &v.Backtest); err != nil {
			return v, fmt.Errorf("reading what a backtest asks: %w", err)
		}
	}
	v.Tickers, err = texts(tickers)
	return v, err
}

func scanDetail(rows Rows) (d store.Detail, err error) {
	var started, completed *int64
	err = rows.Scan(&d.JobID, &d.Ticker, &d.Position, &d.Status, &d.Code, &d.Message, &d.Attempts,
		&started, &completed, &d.Seq)
	if err != nil {
		return d, fmt.Errorf("scanning a detail: %w", err)
	}
	d.StartedAt, d.CompletedAt = store.Time(started), store.Time(completed)
	return d, nil
}

// scanResult scans the columns of store.ResultsTable.
func scanResult(rows Rows) (r store.Result, err error) {
	var recorded, started, completed *int64
	var warnings, adjustments, dataWarnings, notes string
	var synthetic int64
	p, l := &r.Plan, &r.Lineage
	dest := []any{&r.Seq, &r.JobID, &r.Ticker, &recorded, &r.Origin, &r.StrategyName,
		&r.StrategyHash, &r.TradingDay, &r.Verdict, &r.Score, &r.Coverage, &r.Regime, &warnings,
		&r.Attempts, &started, &completed, &p.Side, &p.Entry, &p.Stop, &p.Target, &p.RiskReward,
		&p.Size, &p.RiskAmount, &p.Value, &adjustments, &l.Provider, &synthetic, &l.Adjustment,
		&l.Currency, &l.Bars, &l.FirstBar, &l.LastBar, &dataWarnings}
	for _, number := range store.NumberFields(&r.Numbers) {
		dest = append(dest, number)
	}
	dest = append(dest, &notes)
	if err := rows.Scan(dest...); err != nil {
		return r, fmt.Errorf("scanning a result: %w", err)
	}
	r.RecordedAt, r.StartedAt, r.CompletedAt = store.Time(recorded), store.Time(started), store.Time(completed)
	l.Synthetic = synthetic == 1
	for text, list := range map[*string]*[]string{&warnings: &r.Warnings, &adjustments: &p.Adjustments, &dataWarnings: &l.Warnings, &notes: &l.Notes} {
		if *list, err = texts(*text); err != nil {
			return r, err
		}
	}
	return r, nil
}

func scanPoison(rows Rows) (p store.Poison, err error) {
	var recorded *int64
	if err := rows.Scan(&p.Seq, &recorded, &p.Subject, &p.EventID, &p.EventType, &p.Reason, &p.Body); err != nil {
		return p, fmt.Errorf("scanning a poisoned event: %w", err)
	}
	p.RecordedAt = store.Time(recorded)
	if p.Body == nil {
		p.Body = []byte{} // a driver may take an empty blob for none
	}
	return p, nil
}

// texts reads a JSON list of texts.
func texts(data string) (list []string, err error) {
	if data == "[]" {
		return []string{}, nil
	}
	if err := json.Unmarshal([]byte(data), &list); err != nil {
		return nil, fmt.Errorf("reading a list of texts: %w", err)
	}
	return list, nil
}
