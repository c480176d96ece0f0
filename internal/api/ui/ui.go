// Package ui is the api's page: a server-rendered list of jobs and the newest
// results, kept current by a small script over the event stream. Everything
// that it needs is in the program; its security policy allows nothing else.
package ui

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"slices"
)

//go:embed page.html app.mjs style.css
var files embed.FS

// Policy is the page's Content-Security-Policy: own files only, nothing
// inline, in no frame.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Data is what the page shows.
type Data struct {
	Jobs    []Job // newest first
	Results []Result
	Of      string // the job of the results; empty if there are none
	AsOfSeq uint64
}

// A Job is a line of the list of jobs.
type Job struct {
	ID, Status, Created, Strategy string
	Total, Done, Failed           int
	Percent                       float64 // 0..100
	Backtest                      bool    // its results are no verdicts
}

// A Result is a line of the results.
type Result struct {
	Ticker, Verdict, TradingDay string
	Score, Entry, Stop, Target  float64
	Size                        int64
	Synthetic                   bool   // the bars were made up
	Doubts                      string // what the bars are warned of; empty: nothing
}

// Synthetic reports whether any of the results stands on bars that were made up.
func (d Data) Synthetic() bool {
	return slices.ContainsFunc(d.Results, func(r Result) bool { return r.Synthetic })
}

// A Page renders. Make it with New; it is safe for concurrent use.
type Page struct{ page *template.Template }

// New makes the page.
func New() *Page {
	page := template.New("page.html").Funcs(template.FuncMap{
		"price":   price,
		"segment": url.PathEscape, // a ticker can hold a slash
	})
	return &Page{template.Must(page.ParseFS(files, "page.html"))}
}

// price writes a price; one below 1, whose ticks are finer, with four decimals.
func price(x float64) string {
	if x < 1 {
		return fmt.Sprintf("%.4f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// Render writes the page.
func (p *Page) Render(w io.Writer, data Data) error {
	if err := p.page.Execute(w, data); err != nil {
		return fmt.Errorf("rendering the page: %w", err)
	}
	return nil
}

// File returns a file of the page, app.mjs or style.css.
func File(name string) ([]byte, error) {
	text, err := files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading a file of the page: %w", err)
	}
	return text, nil
}
