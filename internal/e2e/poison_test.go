package e2e_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/stream/streamtest"
)

// A poisoned message is what a publisher without manners put on the tape.
type poisoned struct {
	what   string
	msg    *nats.Msg
	reason string // is in that of the table
}

// TestPoisonOfEveryKind puts what is no event on the tape between two jobs, and
// where the outcome of a ticker belongs: each is set aside with its reason, both
// jobs complete, and a rebuild comes to the same rows.
func TestPoisonOfEveryKind(t *testing.T) {
	t.Parallel()
	r := onSQLite(t)
	r.migrate()
	r.recorder("recorder", r.owner)
	r.api()
	analyzer := r.analyzer("analyzer-1")
	first := r.completed(r.submit(client.Submission{Tickers: synthetic("FIRST", 20)}).JobID, time.Minute)
	analyzer.Stop() // so that the place of an outcome of the second job is free
	second := r.submit(client.Submission{Tickers: synthetic("SECOND", 20)})

	want := map[string]string{} // reasons by what it was
	got := map[string]string{}
	what := map[uint64]string{} // by sequence
	for _, p := range r.poisons(first.JobID, second.JobID) {
		ack, err := r.nats.JetStream(streamtest.Admin).PublishMsg(t.Context(), p.msg)
		if err != nil {
			t.Fatalf("publishing %s: %v", p.what, err)
		}
		want[p.what], what[ack.Sequence] = p.reason, p.what
	}
	large := r.poisons(first.JobID, second.JobID)[0].msg
	large.Data = make([]byte, 1<<20)
	if _, err := r.nats.JetStream(streamtest.Admin).PublishMsg(t.Context(), large); err == nil {
		t.Error("the tape takes a message of a mebibyte")
	}
	analyzer.Start()
	ended := r.ended(second.JobID, time.Minute)
	if ended.Analyzed != ended.Total-1 || ended.Failed != 1 {
		t.Errorf("the job in which one outcome is poison reads %+v", ended)
	}
	if failed := r.details(second.JobID, "failed")["SECOND00007.NS"]; failed.Code != events.FailureInternal {
		t.Errorf("the ticker in whose place poison stands reads %+v", failed)
	}
	third := r.completed(r.submit(client.Submission{Tickers: synthetic("THIRD", 20)}).JobID, time.Minute)

	rows := poisonRows(t, r.owner)
	for _, row := range rows {
		if name, ours := what[row.seq]; !ours {
			t.Errorf("sequence %d is poison and was not ours: %s", row.seq, row.reason)
		} else if got[name] = row.reason; strings.Contains(row.reason, want[name]) {
			got[name] = want[name]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	out, _ := command(t, 0, r.operatorEnv, "tapedeck", "doctor", "--database-url", r.owner)
	if !strings.Contains(out, fmt.Sprintf("%d events could not be recorded", len(want))) {
		t.Errorf("doctor says\n%s", out)
	}

	sum, seq := r.verified()
	r.operate("rebuild")
	if again, at := r.verified(); again != sum || at != seq {
		t.Errorf("%s at %d, rebuilt %s at %d", sum, seq, again, at)
	}
	if diff := cmp.Diff(rows, poisonRows(t, r.owner), cmp.AllowUnexported(poisonRow{})); diff != "" {
		t.Errorf("rebuilt (-before +after):\n%s", diff)
	}
	r.completed(third.JobID, time.Minute)
	r.limitHolds()
}

// poisons are messages of every kind that is wrong, all on subjects of the tape.
// The last stands where an outcome of the second job belongs.
func (r *roles) poisons(done, open string) []poisoned {
	r.t.Helper()
	legal := func() *nats.Msg { // an outcome of a job that has ended, of a ticker that it has not
		now := time.Now()
		msg, err := events.Encode(events.New("poison", now, &events.TickerFailed{
			JobID: done, Ticker: "ABSENT.NS", Kind: events.KindAnalysis, Code: events.FailureNoData, Message: "poison", Attempts: 1,
			StartedAt: now, CompletedAt: now, Analyzer: "poison",
		}))
		if err != nil {
			r.t.Fatal(err)
		}
		msg.Header.Del(nats.MsgIdHdr)
		return msg
	}
	changed := func(change func(*nats.Msg)) *nats.Msg {
		msg := legal()
		change(msg)
		return msg
	}
	body := func(text string) *nats.Msg { return changed(func(m *nats.Msg) { m.Data = []byte(text) }) }
	header := func(name, value string) *nats.Msg {
		return changed(func(m *nats.Msg) { m.Header.Set(name, value) })
	}
	return []poisoned{
		{"nothing at all", nats.NewMsg("tape.noise"), "ce-"},
		{"no headers", changed(func(m *nats.Msg) { m.Header = nil }), "ce-"},
		{"no id", changed(func(m *nats.Msg) { m.Header.Del(events.HeaderID) }), events.HeaderID},
		{"an id twice", changed(func(m *nats.Msg) { m.Header.Add(events.HeaderID, "another") }), events.HeaderID},
		{"no time", header(events.HeaderTime, "yesterday"), events.HeaderTime},
		{"another envelope", header(events.HeaderSpecVersion, "9.9"), events.HeaderSpecVersion},
		{"unknown type", header(events.HeaderType, "tapedeck.v1.planet_aligned"), "unknown type"},
		{"a version too high", header(events.HeaderType, "tapedeck.v2.ticker_failed"), "unknown type"},
		{"another's type", header(events.HeaderType, string(events.TypeJobQueued)), "belongs to subject"},
		{"empty body", body(""), "body of"},
		{"not JSON", body("not an event"), "body of"},
		{"cut JSON", body(`{"job_id":`), "body of"},
		{"JSON of another shape", body(`[1,2,3]`), "body of"},
		{"a number for a text", body(`{"job_id":7,"ticker":{}}`), "body of"},
		{"null bytes", body("\x00\x00\x00\x00"), "body of"},
		{"no UTF-8", body("{\"job_id\":\"\xff\xfe\"}"), "not UTF-8"},
		{"an escaped null byte", body(`{"job_id":"\u0000"}`), "NUL"},
		{"too large", body(`{"job_id":"` + strings.Repeat("x", events.MaxBodyBytes) + `"}`), "too large"},
		{"the body of another subject", changed(func(m *nats.Msg) { m.Subject = events.TickerSubject(done, "OTHER.NS", "failed") }), "belongs to subject"},
		{"the subject of another type", changed(func(m *nats.Msg) { m.Subject = events.TickerSubject(done, "ABSENT.NS", "analyzed") }), "belongs to subject"},
		{"a subject of no type", changed(func(m *nats.Msg) { m.Subject = "tape.job." + done + ".exploded" }), "belongs to subject"},
		{"a job that is none", changed(func(m *nats.Msg) { // the dispatcher reads it too
			m.Subject, m.Data = "tape.job.ghost.queued", []byte("{")
			m.Header.Set(events.HeaderType, string(events.TypeJobQueued))
		}), "body of"},
		{"a job without tickers", r.encoded(&events.JobQueued{JobID: "ghost", Kind: events.KindAnalysis}), "tickers: 0"},
		{"a job that is not there", r.encoded(&events.JobCancelled{JobID: "nobody"}), "unknown job"},
		{"a ticker that the job has not", legal(), "does not hold"},
		{"in the place of an outcome", changed(func(m *nats.Msg) { m.Subject = events.TickerSubject(open, "SECOND00007.NS", "analyzed") }), "belongs to subject"},
	}
}

func (r *roles) encoded(data events.Data) *nats.Msg {
	r.t.Helper()
	msg, err := events.Encode(events.New("poison", time.Now(), data))
	if err != nil {
		r.t.Fatal(err)
	}
	msg.Header.Del(nats.MsgIdHdr)
	return msg
}

// limitHolds: what is no event does not come in through the api either.
func (r *roles) limitHolds() {
	r.t.Helper()
	_, err := r.client.Submit(r.t.Context(), client.Submission{Tickers: []string{"A\x00B"}}, "")
	if problem := new(client.Problem); !errors.As(err, &problem) || problem.Status != http.StatusUnprocessableEntity {
		r.t.Errorf("a ticker with a null byte is answered with %v", err)
	}
}

type poisonRow struct {
	seq             uint64
	subject, reason string
	body            int // bytes
}

// poisonRows reads the table poison of a SQLite database.
func poisonRows(t *testing.T, address string) (list []poisonRow) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: strings.TrimPrefix(address, "sqlite:")}).EscapedPath()+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT seq, subject, reason, length(body) FROM poison ORDER BY seq`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var row poisonRow
		if err := rows.Scan(&row.seq, &row.subject, &row.reason, &row.body); err != nil {
			t.Fatal(err)
		}
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}
