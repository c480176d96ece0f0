package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/tapedeck/tapedeck/events"
)

// A BacktestSubmission is the body of POST /api/v1/backtests. What is zero or
// nil takes the server's defaults; dates are texts such as 2024-01-31.
type BacktestSubmission struct {
	Submission
	From            string   `json:"from,omitempty"`
	To              string   `json:"to,omitempty"`
	CostPercent     *float64 `json:"cost_percent,omitempty"`     // per side
	SlippagePercent *float64 `json:"slippage_percent,omitempty"` // per side
}

// A Backtest is a page of a backtest: its job, the equal-weight sum (only on
// the first page), and its tickers, best return first.
type Backtest struct {
	Job
	EqualWeight *EqualWeight     `json:"equal_weight"`
	Items       []TickerBacktest `json:"items"`
	NextCursor  string           `json:"next_cursor"`
}

// A TickerBacktest is what a backtest of one ticker found.
type TickerBacktest struct {
	JobID     string                 `json:"job_id"`
	Ticker    string                 `json:"ticker"`
	FirstDay  string                 `json:"first_day"`
	LastDay   string                 `json:"last_day"`
	Synthetic bool                   `json:"synthetic"`
	Metrics   events.BacktestMetrics `json:"metrics"`
	Warnings  []string               `json:"warnings"`
	Lineage   events.Lineage         `json:"lineage"`
	Strategy  string                 `json:"strategy"`
	Seq       uint64                 `json:"seq"`
}

// A WholeTickerBacktest is a TickerBacktest with everything.
type WholeTickerBacktest struct {
	TickerBacktest
	Trades  []events.Trade `json:"trades"` // in the order of their entries
	Equity  []Point        `json:"equity"`
	AsOfSeq uint64         `json:"as_of_seq"`
}

// A Point is a close of a backtest's window, in units of the capital: 1.05 is 5 % above.
type Point struct {
	Day    string  `json:"day"`
	Equity float64 `json:"equity"`
	Hold   float64 `json:"hold"` // of buying and holding
}

// An EqualWeight is the sum of a job's backtests, each ticker with the same
// capital for itself; amounts in percent of it.
type EqualWeight struct {
	Tickers         int            `json:"tickers"`
	Profitable      int            `json:"profitable"`
	Untradable      int            `json:"untradable"` // without a trade because no share or no order was possible
	FirstDay        string         `json:"first_day"`
	LastDay         string         `json:"last_day"`
	Sessions        int            `json:"sessions"`
	ExposurePercent float64        `json:"exposure_percent"`
	Days            events.Days    `json:"days"`
	Trading         events.Trading `json:"trading"`
	Growth          events.Growth  `json:"growth"`
	Hold            events.Growth  `json:"hold"`
}

// SubmitBacktest sends a backtest. key is as for Submit.
func (c *Client) SubmitBacktest(ctx context.Context, s BacktestSubmission, key string) (Accepted, error) {
	var accepted Accepted
	err := c.call(ctx, call{http.MethodPost, "/api/v1/backtests", key, s}, &accepted)
	return accepted, err
}

// Backtest returns one page of a backtest.
func (c *Client) Backtest(ctx context.Context, id string, query url.Values) (Backtest, error) {
	return get[Backtest](ctx, c, backtestPath(id), query)
}

// TickerBacktest returns a backtest of one ticker with its trades and equity.
func (c *Client) TickerBacktest(ctx context.Context, id, ticker string) (WholeTickerBacktest, error) {
	return get[WholeTickerBacktest](ctx, c, backtestPath(id)+"/tickers/"+url.PathEscape(ticker), nil)
}

// BacktestCSV writes the metrics of every ticker of a backtest as CSV to w.
func (c *Client) BacktestCSV(ctx context.Context, id string, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, CallTime)
	defer cancel()
	request, err := c.request(ctx, http.MethodGet, backtestPath(id)+"?format=csv", nil)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("calling the server: %w", err)
	}
	defer response.Body.Close()
	if err := refusal(response); err != nil {
		return err
	}
	n, err := io.Copy(w, io.LimitReader(response.Body, MaxAnswerBytes+1))
	if err == nil && n > MaxAnswerBytes {
		err = fmt.Errorf("it is longer than %d bytes; what was written is cut off", MaxAnswerBytes)
	}
	if err != nil {
		return fmt.Errorf("reading a backtest as CSV: %w", err)
	}
	return nil
}

func backtestPath(id string) string { return "/api/v1/backtests/" + url.PathEscape(id) }
