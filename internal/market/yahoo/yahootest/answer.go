package yahootest

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const prefix = "/v8/finance/chart/"

// ServeHTTP implements http.Handler: the chart endpoint, nothing else.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.cfg.Now().UTC().Format(http.TimeFormat))
	symbol, ok := strings.CutPrefix(r.URL.Path, prefix)
	if !ok || r.Method != http.MethodGet {
		http.NotFound(w, r)
		return
	}
	switch kind := s.meet(r, symbol); kind {
	case OK, Truncated:
		s.chart(w, r, symbol, kind)
	case RateLimited, NoAgent:
		s.refuse(w, http.StatusTooManyRequests, "Edge: Too Many Requests")
	case Denied:
		s.refuse(w, 999, "Unable to process request at this time -- error 999")
	case ServerError:
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
	case BadGateway:
		page(w, http.StatusBadGateway, "502 Bad Gateway")
	case Blocked:
		page(w, http.StatusForbidden, "Access Denied")
	case Outage:
		page(w, http.StatusOK, "Yahoo! - Will be right back...")
	case Consent:
		page(w, http.StatusOK, "Before you continue")
	case Garbage:
		w.Header().Set("Content-Type", jsonType)
		_, _ = io.WriteString(w, `{"chart":{"result":[{"meta":{"curr`+"\x00\xff\xfe<<<")
	case Reset:
		reset(w)
	case Hang:
		s.hang(r)
	case NotFound:
		failure(w, http.StatusNotFound, "Not Found", "No data found, symbol may be delisted")
	case BadRequest:
		failure(w, http.StatusBadRequest, "Bad Request", "Invalid input")
	case NoRange:
		failure(w, http.StatusBadRequest, "Bad Request", "Data doesn't exist for startDate = 1, endDate = 2")
	case Unprocessed:
		failure(w, http.StatusUnprocessableEntity, "Unprocessable Entity", "invalid interval")
	case ErrorInside:
		failure(w, http.StatusOK, "Internal Error", "try later")
	case Redirect:
		http.Redirect(w, r, s.cfg.RedirectTo, http.StatusFound)
	case Huge:
		huge(w)
	case Empty:
		write(w, r, body(&Chart{Meta: s.meta(symbol)}))
	default:
		panic(fmt.Sprintf("yahootest: no answer of kind %q", kind))
	}
}

const jsonType = "application/json;charset=utf-8"

func (s *Server) refuse(w http.ResponseWriter, status int, text string) {
	if s.cfg.RetryAfter != "" {
		w.Header().Set("Retry-After", s.cfg.RetryAfter)
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func page(w http.ResponseWriter, status int, title string) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<!DOCTYPE html>\n<html><head><title>%s</title></head><body><h1>%s</h1></body></html>", title, title)
}

func failure(w http.ResponseWriter, status int, code, description string) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"chart":{"result":null,"error":{"code":%q,"description":%q}}}`, code, description)
}

// huge writes JSON of numbers until the client leaves, or 16 MB.
func huge(w http.ResponseWriter) {
	w.Header().Set("Content-Type", jsonType)
	_, err := io.WriteString(w, `{"chart":{"result":[{"timestamp":[1`)
	for i := 0; err == nil && i < 16<<10; i++ {
		_, err = io.WriteString(w, strings.Repeat(",1600000000", 1<<10/11))
	}
}

// reset ends the connection without an answer, with a reset instead of an end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// hang answers nothing until the client leaves or the server closes.
func (s *Server) hang(r *http.Request) {
	timer := time.NewTimer(hangTime)
	defer timer.Stop()
	select {
	case <-r.Context().Done():
	case <-s.closed:
	case <-timer.C:
	}
	panic(http.ErrAbortHandler)
}

// chart answers as the endpoint does: with a part of the history.
func (s *Server) chart(w http.ResponseWriter, r *http.Request, symbol string, kind Kind) {
	query := r.URL.Query()
	from, err1 := strconv.ParseInt(query.Get("period1"), 10, 64)
	to, err2 := strconv.ParseInt(query.Get("period2"), 10, 64)
	if err1 != nil || err2 != nil || from >= to {
		failure(w, http.StatusBadRequest, "Bad Request", "Invalid input - start date cannot be after end date.")
		return
	}
	if query.Get("interval") != "1d" {
		failure(w, http.StatusUnprocessableEntity, "Unprocessable Entity", "this stand-in has interval=1d alone")
		return
	}
	c := s.build(symbol, from, to)
	if s.cfg.Edit != nil {
		s.cfg.Edit(symbol, c)
	}
	text := body(c)
	if kind == Truncated { // promises all, sends half
		w.Header().Set("Content-Type", jsonType)
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = w.Write(text[:len(text)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	write(w, r, text)
}

// body is the endpoint's JSON around a chart.
func body(c *Chart) []byte {
	text, err := json.Marshal(map[string]any{"chart": map[string]any{"result": []*Chart{c}, "error": nil}})
	if err != nil {
		panic(fmt.Sprintf("yahootest: encoding a chart: %v", err))
	}
	return text
}

// write sends an answer, compressed when the client takes that.
func write(w http.ResponseWriter, r *http.Request, text []byte) {
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Cache-Control", "public, max-age=10, stale-while-revalidate=20")
	w.Header().Set("Vary", "Origin,Accept-Encoding")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		_, _ = w.Write(text)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	zipped := gzip.NewWriter(w)
	_, _ = zipped.Write(text)
	_ = zipped.Close()
}
