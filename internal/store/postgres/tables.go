package postgres

import (
	"github.com/tapedeck/tapedeck/internal/store"
)

// The types of columns.
const (
	text   = "text"
	bigint = "bigint"
	float  = "double precision"
	bytea  = "bytea"
)

func insertJobs() insert[store.Job] {
	type row = store.Job
	return newInsert("jobs", "",
		col("id", text, func(r *row) string { return r.ID }),
		col("kind", text, func(r *row) string { return string(r.Kind) }),
		col("origin", text, func(r *row) string { return string(r.Origin) }),
		col("parent_id", text, func(r *row) string { return r.ParentID }),
		col("universe", text, func(r *row) string { return r.Universe }),
		col("total", bigint, func(r *row) int64 { return int64(r.Total) }),
		col("capital", float, func(r *row) float64 { return r.Capital }),
		col("strategy_name", text, func(r *row) string { return r.StrategyName }),
		col("strategy_hash", text, func(r *row) string { return r.StrategyHash }),
		col("risk_percent", float, func(r *row) float64 { return r.Options.RiskPercent }),
		col("position_limit_percent", float, func(r *row) float64 { return r.Options.PositionLimitPercent }),
		col("min_risk_reward", float, func(r *row) float64 { return r.Options.MinRiskReward }),
		col("bars", bigint, func(r *row) int64 { return int64(r.Options.Bars) }),
		col("request_sha256", text, func(r *row) string { return r.RequestSHA256 }),
		col("deadline", bigint, func(r *row) *int64 { return moment(r.Deadline) }),
		col("created_at", bigint, func(r *row) *int64 { return moment(r.CreatedAt) }),
		col("seq", bigint, func(r *row) int64 { return int64(r.Seq) }),
		col("tickers", text, func(r *row) string { return list(r.Tickers) }),
		col("strategy", text, func(r *row) string { return string(r.Strategy) }),
	)
}

// insertProgress takes created_at from the job, which stands before it in the
// batch if not in the table. A progress without a job breaks the foreign key.
func insertProgress() insert[store.Progress] {
	type row = store.Progress
	return newInsert("progress", `ON CONFLICT (job_id) DO UPDATE SET`,
		col("job_id", text, func(r *row) string { return r.JobID }),
		col("status", text, func(r *row) string { return string(r.Status) }),
		col("total", bigint, func(r *row) int64 { return int64(r.Total) }),
		col("analyzed", bigint, func(r *row) int64 { return int64(r.Analyzed) }),
		col("failed", bigint, func(r *row) int64 { return int64(r.Failed) }),
		col("cancelled", bigint, func(r *row) int64 { return int64(r.Cancelled) }),
		col("late", bigint, func(r *row) int64 { return int64(r.Late) }),
		col("duplicates", bigint, func(r *row) int64 { return int64(r.Duplicates) }),
		col("started_at", bigint, func(r *row) *int64 { return moment(r.StartedAt) }),
		col("completed_at", bigint, func(r *row) *int64 { return moment(r.CompletedAt) }),
		col("last_seq", bigint, func(r *row) int64 { return int64(r.LastSeq) }),
		col("cancel_seq", bigint, func(r *row) int64 { return int64(r.CancelSeq) }),
		col("announced_seq", bigint, func(r *row) int64 { return int64(r.AnnouncedSeq) }),
	)
}
