package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// A Strategy is a strategy that a job can name.
type Strategy struct {
	Name        string          `json:"name"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Hash        string          `json:"hash"`
	Origin      string          `json:"origin"` // builtin or folder
	Default     bool            `json:"default"`
	MinBars     int             `json:"min_bars"`
	Document    json.RawMessage `json:"document,omitempty"` // only of one by itself
}

// Strategies returns the strategies that the server knows, and a text for each
// file of its folder that cannot be used.
func (c *Client) Strategies(ctx context.Context) (items []Strategy, problems []string, err error) {
	var list struct {
		Items    []Strategy `json:"items"`
		Problems []string   `json:"problems"`
	}
	err = c.call(ctx, call{http.MethodGet, "/api/v1/strategies", "", nil}, &list)
	return list.Items, list.Problems, err
}

// Strategy returns one strategy with its whole document.
func (c *Client) Strategy(ctx context.Context, name string) (Strategy, error) {
	return get[Strategy](ctx, c, "/api/v1/strategies/"+url.PathEscape(name), nil)
}

// A Universe is a named list of tickers that a job can name.
type Universe struct {
	Name    string   `json:"name"`
	Title   string   `json:"title,omitempty"`
	Date    string   `json:"date,omitempty"` // of the constituents at hand
	Count   int      `json:"count,omitempty"`
	Origin  string   `json:"origin,omitempty"`  // only of one by itself: where its tickers come from
	Warning string   `json:"warning,omitempty"` // why the list is older than it should be
	Tickers []string `json:"tickers,omitempty"` // only of one by itself
}

// Universes returns the universes that the server knows, without their tickers.
func (c *Client) Universes(ctx context.Context) ([]Universe, error) {
	var list struct {
		Items []Universe `json:"items"`
	}
	err := c.call(ctx, call{http.MethodGet, "/api/v1/universes", "", nil}, &list)
	return list.Items, err
}

// Universe returns one universe with its tickers as they are now.
func (c *Client) Universe(ctx context.Context, name string) (Universe, error) {
	return get[Universe](ctx, c, "/api/v1/universes/"+url.PathEscape(name), nil)
}
