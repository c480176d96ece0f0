package storetest

import (
	"fmt"
	"testing"

	"github.com/tapedeck/tapedeck/internal/store"
)

func testMigrateOnce(t *testing.T, db opened) {
	first, second := db.writer(), db.writer()
	var said []string
	say := func(line string) { said = append(said, line) }
	must(t, first.Migrate(t.Context(), say))
	if len(said) == 0 {
		t.Fatal("a migration said nothing")
	}
	n := len(said)
	must(t, first.Migrate(t.Context(), say))
	must(t, second.Migrate(t.Context(), say))
	wantEqual(t, "lines after migrating again", said[n:], []string{})
	standing, err := first.Reading().Standing(t.Context())
	must(t, err)
	wantEqual(t, "schema version", standing.SchemaVersion, n)
}

// testReaderBeforeTables opens a reader where there is nothing yet: it waits
// for the recorder without being opened again.
func testReaderBeforeTables(t *testing.T, db opened) {
	r, w := db.reader(), db.writer()
	_, err := r.Position(t.Context())
	wantError(t, "reading before there is a database", err, store.ErrNoDatabase)
	wantError(t, "a ping before there is a database", r.Ping(t.Context()), store.ErrNoDatabase)
	_, err = w.Acquire(t.Context(), "first", longLease)
	wantError(t, "recording before there is a database", err, store.ErrNoDatabase)
	_, err = r.Position(t.Context())
	wantError(t, "reading still before there is a database", err, store.ErrNoDatabase)
	must(t, w.Migrate(t.Context(), func(string) {}))
	at, err := r.Position(t.Context())
	must(t, err)
	wantEqual(t, "position", at, store.Position{})
	must(t, r.Ping(t.Context()))
	_, err = w.Acquire(t.Context(), "first", longLease)
	must(t, err)
}

// testOlderProgram writes rows as the release before migration 2 does, which
// knows none of its columns: they are there, and read as none.
func testOlderProgram(t *testing.T, db opened) {
	w := db.migrated()
	for _, statement := range []string{
		`INSERT INTO jobs (id, kind, origin, parent_id, universe, total, capital, strategy_name, strategy_hash, risk_percent,
			position_limit_percent, min_risk_reward, bars, request_sha256, deadline, created_at, seq, tickers, strategy)
			VALUES ('old', 'analysis', 'api', '', '', 1, 1, 's', 'h', 1, 1, 1, 1, '', 1, 1, 1, '["A"]', '{}')`,
		`INSERT INTO progress (job_id, status, total, analyzed, failed, cancelled, late, duplicates, started_at, completed_at,
			last_seq, cancel_seq, announced_seq, created_at) VALUES ('old', 'completed', 1, 1, 0, 0, 0, 0, 1, 1, 2, 0, 0, 1)`,
		`INSERT INTO details (job_id, ticker, position, status, code, error_message, attempts, started_at, completed_at, seq)
			VALUES ('old', 'A', 0, 'analyzed', '', '', 1, 1, 1, 2)`,
		`INSERT INTO results (seq, job_id, ticker, recorded_at, origin, strategy_name, strategy_hash, trading_day, verdict, score,
			coverage, regime, warnings, attempts, started_at, completed_at, side, entry, stop, target, risk_reward, size, risk_amount,
			value, adjustments, provider, synthetic, adjustment, currency, bars, first_bar, last_bar, data_warnings)
			VALUES (2, 'old', 'A', 1, 'api', 's', 'h', '2026-11-02', 'Hold', 0, 1, '', '[]', 1, 1, 1, 'none', 1, 1, 1, 1, 0, 0, 0, '[]',
			'csv', 0, '', '', 1, '', '', '[]')`,
	} {
		must(t, db.Exec(statement))
	}
	r := w.Reading()
	view, _, err := r.Job(t.Context(), "old")
	must(t, err)
	page, err := r.Results(t.Context(), store.ResultsQuery{JobID: "old", Limit: 1})
	must(t, err)
	if view.Backtest != nil || len(page.Items) != 1 || page.Items[0].Lineage.Notes == nil || len(page.Items[0].Lineage.Notes) != 0 {
		t.Errorf("job %+v, results %+v", view.Job, page.Items)
	}
}

// testNewerSchema meets tables of a newer program: usable, then not.
func testNewerSchema(t *testing.T, db opened) {
	w := db.migrated()
	standing, err := w.Reading().Standing(t.Context())
	must(t, err)
	next := standing.SchemaVersion + 1
	add := func(number, program int) {
		must(t, db.Exec(fmt.Sprintf(`INSERT INTO migrations (number, name, min_program, applied_at) VALUES (%d, 'later_%d', %d, 0)`,
			number, number, program)))
	}
	add(next, store.Program)
	must(t, db.reader().Ping(t.Context()))
	older := db.writer()
	must(t, older.Migrate(t.Context(), func(line string) { t.Errorf("an older program says %q", line) }))
	_, err = older.Acquire(t.Context(), "first", longLease)
	must(t, err)
	add(next+1, store.Program+1)
	wantError(t, "reading newer tables", db.reader().Ping(t.Context()), store.ErrSchema)
	refused := db.writer()
	wantError(t, "migrating newer tables", refused.Migrate(t.Context(), func(string) {}), store.ErrSchema)
	_, err = refused.Acquire(t.Context(), "first", longLease)
	wantError(t, "recording in newer tables", err, store.ErrSchema)
}
