package api

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/strategy"
	"github.com/tapedeck/tapedeck/internal/ticker"
)

// predecessorTime is its form of a time; here it is always UTC.
const predecessorTime = "2006-01-02T15:04:05"

type predecessorAccepted struct {
	JobID         string   `json:"job_id"`
	Status        string   `json:"status"`
	ThreadStarted bool     `json:"thread_started"` // the job is durable, which is more
	Count         int      `json:"count"`
	Capital       float64  `json:"capital"`
	Symbols       []string `json:"symbols"`
}

type predecessorProgress struct {
	IsAnalyzing            bool             `json:"is_analyzing"`
	Analyzing              int              `json:"analyzing"` // active jobs
	Completed              int              `json:"completed"`
	Total                  int              `json:"total"`
	Percentage             float64          `json:"percentage"`
	EstimatedTimeRemaining string           `json:"estimated_time_remaining"`
	Pending                int              `json:"pending"`
	Failed                 int              `json:"failed"`
	Successful             int              `json:"successful"`
	Jobs                   []predecessorJob `json:"jobs"`
	ActiveCount            int              `json:"active_count"`
}

type predecessorJob struct {
	JobID           string  `json:"job_id"`
	Status          string  `json:"status"`
	ProgressPercent float64 `json:"progress_percent"`
	Total           int     `json:"total"`
	Completed       int     `json:"completed"` // tickers with an outcome
	Successful      int     `json:"successful"`
	ErrorsCount     int     `json:"errors_count"`
}

// predecessorStatus is its word for a state.
func predecessorStatus(s events.Status) string {
	if s == events.StatusRunning {
		return "processing"
	}
	return string(s)
}

func toPredecessorProgress(jobs []store.JobView, active int, now time.Time) predecessorProgress {
	p := predecessorProgress{IsAnalyzing: active > 0, Analyzing: active, ActiveCount: active, Jobs: make([]predecessorJob, 0, len(jobs))}
	var left time.Duration
	known := true
	for _, v := range jobs {
		done := v.Progress.Analyzed + v.Progress.Failed
		p.Jobs = append(p.Jobs, predecessorJob{
			JobID: v.ID, Status: predecessorStatus(v.Progress.Status), ProgressPercent: percent(done+v.Progress.Cancelled, v.Total),
			Total: v.Total, Completed: done, Successful: v.Progress.Analyzed, ErrorsCount: v.Progress.Failed,
		})
		p.Total += v.Total
		p.Completed += done
		p.Successful += v.Progress.Analyzed
		p.Failed += v.Progress.Failed
		p.Pending += v.Progress.Pending()
		if v.Progress.Status.Ended() {
			continue
		}
		if done == 0 {
			known = false
			continue
		}
		left = max(left, now.Sub(v.Progress.StartedAt)/time.Duration(done)*time.Duration(v.Progress.Pending()))
	}
	p.Percentage = percent(p.Completed, p.Total)
	p.EstimatedTimeRemaining = "unknown"
	if known {
		p.EstimatedTimeRemaining = predecessorDuration(left)
	}
	return p
}

// predecessorDuration is its form of a duration: whole seconds, minutes or hours.
func predecessorDuration(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(math.Ceil(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(math.Ceil(d.Minutes())))
	}
	return fmt.Sprintf("%dh", int(math.Ceil(d.Hours())))
}

type predecessorHistory struct {
	Symbol  string                   `json:"symbol"`
	History []predecessorHistoryItem `json:"history"`
}

type predecessorHistoryItem struct {
	Ticker    string         `json:"ticker"`
	Symbol    string         `json:"symbol"`
	Verdict   events.Verdict `json:"verdict"`
	Score     float64        `json:"score"` // 0..100
	Entry     float64        `json:"entry"`
	Target    float64        `json:"target"`
	CreatedAt string         `json:"created_at"`
}

func toPredecessorHistoryItem(r store.Result) predecessorHistoryItem {
	return predecessorHistoryItem{
		Ticker: r.Ticker, Symbol: ticker.Symbol(r.Ticker), Verdict: r.Verdict,
		Score: math.Round((r.Score+1)*50*1000) / 1000, // three decimals, as its scores
		Entry: r.Plan.Entry, Target: r.Plan.Target, CreatedAt: r.RecordedAt.UTC().Format(predecessorTime),
	}
}

type predecessorAnalyses struct {
	Ticker  string                `json:"ticker"`
	History []predecessorAnalysis `json:"history"`
}

type predecessorAnalysis struct {
	ID              uint64                 `json:"id"` // the outcome's sequence
	Ticker          string                 `json:"ticker"`
	Symbol          string                 `json:"symbol"`
	Verdict         events.Verdict         `json:"verdict"`
	Score           float64                `json:"score"` // -1..+1
	Entry           float64                `json:"entry"`
	StopLoss        float64                `json:"stop_loss"`
	Target          float64                `json:"target"`
	CreatedAt       string                 `json:"created_at"`
	Indicators      []predecessorIndicator `json:"indicators"`
	PositionSize    int64                  `json:"position_size"`
	RiskRewardRatio float64                `json:"risk_reward_ratio"`
	StrategyID      *int                   `json:"strategy_id"` // null: not a built-in one
	AnalysisConfig  map[string]any         `json:"analysis_config"`
}

type predecessorIndicator struct {
	Name       string             `json:"name"`
	Category   string             `json:"category"`
	Vote       int                `json:"vote"`
	Confidence float64            `json:"confidence"`
	Values     map[string]float64 `json:"values"`
}

func toPredecessorAnalysis(r store.Result, indicators []events.Indicator) predecessorAnalysis {
	a := predecessorAnalysis{
		ID: r.Seq, Ticker: r.Ticker, Symbol: ticker.Symbol(r.Ticker), Verdict: r.Verdict, Score: r.Score,
		Entry: r.Plan.Entry, StopLoss: r.Plan.Stop, Target: r.Plan.Target,
		CreatedAt: r.RecordedAt.UTC().Format(predecessorTime), Indicators: make([]predecessorIndicator, 0, len(indicators)),
		PositionSize: r.Plan.Size, RiskRewardRatio: r.Plan.RiskReward,
		AnalysisConfig: map[string]any{
			"strategy": r.StrategyName, "strategy_hash": r.StrategyHash, "bars": r.Lineage.Bars,
			"data_source": r.Lineage.Provider, "is_demo_data": r.Lineage.Synthetic,
		},
	}
	if id, known := strategy.BuiltinID(r.StrategyName); known {
		a.StrategyID = &id
	}
	for _, i := range indicators {
		a.Indicators = append(a.Indicators, predecessorIndicator{i.Name, i.Category, i.Vote, i.Certainty, i.Values})
	}
	return a
}

// predecessorError is an error in its shape.
type predecessorError struct {
	Error struct {
		Code      string         `json:"code"`
		Message   string         `json:"message"`
		Timestamp string         `json:"timestamp"`
		Details   map[string]any `json:"details,omitempty"`
	} `json:"error"`
}

type predecessorFieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
	Type    string `json:"type"`
}

func (s *Server) predecessorError(p *Problem) predecessorError {
	var e predecessorError
	e.Error.Code, e.Error.Message = predecessorCode(p), p.Detail
	e.Error.Timestamp = s.config.Clock().UTC().Format(predecessorTime)
	details := map[string]any{}
	if p.JobID != "" {
		details["job_id"] = p.JobID
	}
	if len(p.Errors) > 0 {
		fieldErrors := make([]predecessorFieldError, 0, len(p.Errors))
		var illegal []string
		for _, one := range p.Errors {
			field := strings.TrimPrefix(one.Location, "body.")
			fieldErrors = append(fieldErrors, predecessorFieldError{field, one.Message, "value_error"})
			if strings.HasPrefix(field, "symbols[") {
				illegal = append(illegal, one.Value)
			}
		}
		details["validation_errors"], details["invalid_tickers"] = fieldErrors, illegal
	}
	if len(details) > 0 {
		e.Error.Details = details
	}
	return e
}

func predecessorCode(p *Problem) string {
	switch {
	case p.Status == http.StatusUnprocessableEntity || len(p.Errors) > 0:
		return "VALIDATION_ERROR"
	case p.Status == http.StatusNotFound:
		return "NOT_FOUND"
	case p.Status == http.StatusBadRequest && p.Code != "no_stocks_found":
		return "INVALID_REQUEST"
	case p.Status >= http.StatusInternalServerError && p.Code == "internal":
		return "BULK_ANALYSIS_ERROR"
	}
	return strings.ToUpper(p.Code)
}
