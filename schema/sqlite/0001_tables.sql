-- min_program: 1
-- The tables of tapedeck. Both dialects have the same tables, columns and rules.
--
-- Every row but those of checkpoint, recoveries and migrations is a fold of the
-- tape: the same events give the same rows, byte for byte, on both databases.
-- Times are whole milliseconds since 1970 in UTC; NULL is none. Days are texts
-- like 2026-11-25. Texts compare bytewise; the empty text is none. A seq is a
-- sequence of the tape; 0 is none. Flags are 0 or 1.
-- Tables of small rows are kept in the order of their key (WITHOUT ROWID).

-- What JobQueued said: written once. The wide columns stand last.
CREATE TABLE jobs (
    id                     TEXT NOT NULL PRIMARY KEY,
    kind                   TEXT NOT NULL CHECK (kind IN ('analysis', 'backtest')),
    origin                 TEXT NOT NULL CHECK (origin IN ('api', 'watchlist', 'schedule', 'retry', 'import')),
    parent_id              TEXT NOT NULL,
    universe               TEXT NOT NULL,
    total                  INTEGER NOT NULL CHECK (total > 0),
    capital                REAL NOT NULL,
    strategy_name          TEXT NOT NULL,
    strategy_hash          TEXT NOT NULL,
    risk_percent           REAL NOT NULL,
    position_limit_percent REAL NOT NULL,
    min_risk_reward        REAL NOT NULL,
    bars                   INTEGER NOT NULL,
    request_sha256         TEXT NOT NULL,
    deadline               INTEGER,
    created_at             INTEGER NOT NULL,
    seq                    INTEGER NOT NULL,
    tickers                TEXT NOT NULL, -- JSON array, in the order of the list
    strategy               TEXT NOT NULL  -- canonical JSON document
) STRICT;

-- How far a job has come: the one row of it that changes.
CREATE TABLE progress (
    job_id        TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id),
    status        TEXT NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
    total         INTEGER NOT NULL CHECK (total > 0),
    analyzed      INTEGER NOT NULL CHECK (analyzed >= 0),
    failed        INTEGER NOT NULL CHECK (failed >= 0),
    cancelled     INTEGER NOT NULL CHECK (cancelled >= 0),
    late          INTEGER NOT NULL CHECK (late >= 0),
    duplicates    INTEGER NOT NULL CHECK (duplicates >= 0),
    started_at    INTEGER,
    completed_at  INTEGER,
    last_seq      INTEGER NOT NULL,
    cancel_seq    INTEGER NOT NULL,
    announced_seq INTEGER NOT NULL,
    created_at    INTEGER NOT NULL, -- of the job, repeated for the lists by status
    CHECK (analyzed + failed + cancelled <= total)
) STRICT, WITHOUT ROWID;
CREATE INDEX progress_created ON progress (created_at DESC, job_id DESC);
-- Each list has one index that fits it, and no other that a planner could take for it.
CREATE INDEX progress_active ON progress (created_at DESC, job_id DESC) WHERE status IN ('queued', 'running');
CREATE INDEX progress_ended ON progress (status, created_at DESC, job_id DESC)
    WHERE status IN ('completed', 'failed', 'cancelled');
CREATE INDEX progress_unannounced ON progress (created_at, job_id) WHERE announced_seq = 0;

-- The outcome of one ticker of a job: written once. A ticker without one is pending.
CREATE TABLE details (
    job_id        TEXT NOT NULL REFERENCES jobs (id),
    ticker        TEXT NOT NULL,
    position      INTEGER NOT NULL CHECK (position >= 0), -- in the job's list, from 0
    status        TEXT NOT NULL CHECK (status IN ('analyzed', 'failed', 'cancelled')),
    code          TEXT NOT NULL,
    error_message TEXT NOT NULL,
    attempts      INTEGER NOT NULL CHECK (attempts >= 0),
    started_at    INTEGER,
    completed_at  INTEGER,
    seq           INTEGER NOT NULL,
    PRIMARY KEY (job_id, ticker),
    CHECK ((status = 'failed') = (code <> ''))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX details_position ON details (job_id, position);
CREATE INDEX details_seq ON details (job_id, seq, position);

-- What an analysis found, without its indicators: written once.
CREATE TABLE results (
    seq             INTEGER NOT NULL PRIMARY KEY,
    job_id          TEXT NOT NULL,
    ticker          TEXT NOT NULL,
    recorded_at     INTEGER NOT NULL,
    origin          TEXT NOT NULL CHECK (origin IN ('api', 'watchlist', 'schedule', 'retry', 'import')),
    strategy_name   TEXT NOT NULL,
    strategy_hash   TEXT NOT NULL,
    trading_day     TEXT NOT NULL,
    verdict         TEXT NOT NULL CHECK (verdict IN ('Strong Buy', 'Buy', 'Hold', 'Sell', 'Strong Sell')),
    score           REAL NOT NULL,
    coverage        REAL NOT NULL,
    regime          TEXT NOT NULL,
    warnings        TEXT NOT NULL, -- JSON array
    attempts        INTEGER NOT NULL CHECK (attempts >= 0),
    started_at      INTEGER,
    completed_at    INTEGER,
    side            TEXT NOT NULL,
    entry           REAL NOT NULL,
    stop            REAL NOT NULL,
    target          REAL NOT NULL,
    risk_reward     REAL NOT NULL,
    size            INTEGER NOT NULL,
    risk_amount     REAL NOT NULL,
    value           REAL NOT NULL,
    adjustments     TEXT NOT NULL, -- JSON array
    provider        TEXT NOT NULL,
    synthetic       INTEGER NOT NULL CHECK (synthetic IN (0, 1)),
    adjustment      TEXT NOT NULL,
    currency        TEXT NOT NULL,
    bars            INTEGER NOT NULL CHECK (bars >= 0),
    first_bar       TEXT NOT NULL,
    last_bar        TEXT NOT NULL,
    data_warnings   TEXT NOT NULL, -- JSON array
    close           REAL,
    previous_close  REAL,
    change_percent  REAL,
    volume          REAL,
    volume_ratio20  REAL,
    rsi14           REAL,
    macd            REAL,
    macd_signal     REAL,
    macd_hist       REAL,
    adx14           REAL,
    atr14           REAL,
    atr_percent     REAL,
    sma20           REAL,
    sma50           REAL,
    sma200          REAL,
    ema20           REAL,
    ema50           REAL,
    ema200          REAL,
    bb_upper        REAL,
    bb_lower        REAL,
    stoch_k         REAL,
    cci20           REAL,
    mfi14           REAL,
    high_52w        REAL,
    low_52w         REAL,
    FOREIGN KEY (job_id, ticker) REFERENCES details (job_id, ticker)
) STRICT;
CREATE UNIQUE INDEX results_outcome ON results (job_id, ticker);
CREATE INDEX results_score ON results (job_id, score DESC, ticker);
CREATE INDEX results_ticker ON results (ticker, seq DESC);

-- The bulky part of a result, read only on demand.
CREATE TABLE indicators (
    seq  INTEGER NOT NULL PRIMARY KEY REFERENCES results (seq),
    data BLOB NOT NULL -- zstd of the JSON array of indicators
) STRICT;

-- The day's answer: of a ticker, strategy, class and trading day the result
-- with the highest sequence.
CREATE TABLE days (
    ticker        TEXT NOT NULL,
    strategy_hash TEXT NOT NULL,
    class         TEXT NOT NULL CHECK (class IN ('real', 'synthetic')),
    trading_day   TEXT NOT NULL,
    result_seq    INTEGER NOT NULL REFERENCES results (seq),
    PRIMARY KEY (ticker, strategy_hash, class, trading_day)
) STRICT, WITHOUT ROWID;
CREATE INDEX days_ticker ON days (ticker, trading_day DESC, result_seq DESC);

-- The newest of days for each ticker, strategy and class, with what screens
-- sort and filter by: it follows from days, and makes a screen one short scan
-- of an index however many days there are.
CREATE TABLE latest (
    ticker        TEXT NOT NULL,
    strategy_hash TEXT NOT NULL,
    class         TEXT NOT NULL CHECK (class IN ('real', 'synthetic')),
    trading_day   TEXT NOT NULL,
    result_seq    INTEGER NOT NULL REFERENCES results (seq),
    verdict       TEXT NOT NULL,
    score         REAL NOT NULL,
    PRIMARY KEY (ticker, strategy_hash, class)
) STRICT, WITHOUT ROWID;
CREATE INDEX latest_score ON latest (class, score DESC, ticker, strategy_hash);
CREATE INDEX latest_strategy ON latest (class, strategy_hash, score DESC, ticker);
CREATE INDEX latest_day ON latest (class, strategy_hash, trading_day);

-- Events that could not be folded, set aside with the reason.
CREATE TABLE poison (
    seq         INTEGER NOT NULL PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    subject     TEXT NOT NULL,
    event_id    TEXT NOT NULL,
    event_type  TEXT NOT NULL,
    reason      TEXT NOT NULL,
    body        BLOB NOT NULL
) STRICT;

-- Where the recorder stands on the tape, and who may record. One row.
CREATE TABLE checkpoint (
    id                 INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    stream             TEXT NOT NULL,
    stream_created     INTEGER NOT NULL, -- nanoseconds: an identity, not a time to show; 0 is none
    seq                INTEGER NOT NULL CHECK (seq >= 0),
    anchor             TEXT NOT NULL,    -- fingerprint of the message at seq
    projection_version INTEGER NOT NULL,
    owner              TEXT NOT NULL,
    epoch              INTEGER NOT NULL CHECK (epoch >= 0),
    lease_until        INTEGER NOT NULL  -- by the database's clock
) STRICT;
INSERT INTO checkpoint VALUES (1, '', 0, 0, '', 1, '', 0, 0);

-- What was given up when a tape was lost or damaged. By the database's clock.
CREATE TABLE recoveries (
    number             INTEGER NOT NULL PRIMARY KEY,
    recovered_at       INTEGER NOT NULL,
    reason             TEXT NOT NULL,
    saved              TEXT NOT NULL, -- where the tables from before were saved
    old_stream         TEXT NOT NULL,
    old_stream_created INTEGER NOT NULL,
    old_seq            INTEGER NOT NULL,
    old_anchor         TEXT NOT NULL,
    new_stream         TEXT NOT NULL,
    new_stream_created INTEGER NOT NULL,
    new_seq            INTEGER NOT NULL,
    new_anchor         TEXT NOT NULL
) STRICT;
