-- min_program: 1
-- The tables of tapedeck. Both dialects have the same tables, columns and rules.
--
-- Every row but those of checkpoint, recoveries and migrations is a fold of the
-- tape: the same events give the same rows, byte for byte, on both databases.
-- Times are whole milliseconds since 1970 in UTC; NULL is none. Days are texts
-- like 2026-11-25. Texts compare bytewise; the empty text is none. A seq is a
-- sequence of the tape; 0 is none. Flags are 0 or 1.

-- What JobQueued said: written once. The wide columns stand last.
CREATE TABLE jobs (
    id                     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind                   TEXT COLLATE "C" NOT NULL CHECK (kind IN ('analysis', 'backtest')),
    origin                 TEXT COLLATE "C" NOT NULL CHECK (origin IN ('api', 'watchlist', 'schedule', 'retry', 'import')),
    parent_id              TEXT COLLATE "C" NOT NULL,
    universe               TEXT COLLATE "C" NOT NULL,
    total                  BIGINT NOT NULL CHECK (total > 0),
    capital                DOUBLE PRECISION NOT NULL,
    strategy_name          TEXT COLLATE "C" NOT NULL,
    strategy_hash          TEXT COLLATE "C" NOT NULL,
    risk_percent           DOUBLE PRECISION NOT NULL,
    position_limit_percent DOUBLE PRECISION NOT NULL,
    min_risk_reward        DOUBLE PRECISION NOT NULL,
    bars                   BIGINT NOT NULL,
    request_sha256         TEXT COLLATE "C" NOT NULL,
    deadline               BIGINT,
    created_at             BIGINT NOT NULL,
    seq                    BIGINT NOT NULL,
    tickers                TEXT COLLATE "C" NOT NULL, -- JSON array, in the order of the list
    strategy               TEXT COLLATE "C" NOT NULL  -- canonical JSON document
);

-- How far a job has come: the one row of it that changes.
CREATE TABLE progress (
    job_id        TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES jobs (id),
    status        TEXT COLLATE "C" NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
    total         BIGINT NOT NULL CHECK (total > 0),
    analyzed      BIGINT NOT NULL CHECK (analyzed >= 0),
    failed        BIGINT NOT NULL CHECK (failed >= 0),
    cancelled     BIGINT NOT NULL CHECK (cancelled >= 0),
    late          BIGINT NOT NULL CHECK (late >= 0),
    duplicates    BIGINT NOT NULL CHECK (duplicates >= 0),
    started_at    BIGINT,
    completed_at  BIGINT,
    last_seq      BIGINT NOT NULL,
    cancel_seq    BIGINT NOT NULL,
    announced_seq BIGINT NOT NULL,
    created_at    BIGINT NOT NULL, -- of the job, repeated for the lists by status
    CHECK (analyzed + failed + cancelled <= total)
);
CREATE INDEX progress_created ON progress (created_at DESC, job_id DESC);
-- Each list has one index that fits it, and no other that a planner could take for it.
CREATE INDEX progress_active ON progress (created_at DESC, job_id DESC) WHERE status IN ('queued', 'running');
CREATE INDEX progress_ended ON progress (status, created_at DESC, job_id DESC)
    WHERE status IN ('completed', 'failed', 'cancelled');
CREATE INDEX progress_unannounced ON progress (created_at, job_id) WHERE announced_seq = 0;

-- The outcome of one ticker of a job: written once. A ticker without one is pending.
CREATE TABLE details (
    job_id        TEXT COLLATE "C" NOT NULL REFERENCES jobs (id),
    ticker        TEXT COLLATE "C" NOT NULL,
    position      BIGINT NOT NULL CHECK (position >= 0), -- in the job's list, from 0
    status        TEXT COLLATE "C" NOT NULL CHECK (status IN ('analyzed', 'failed', 'cancelled')),
    code          TEXT COLLATE "C" NOT NULL,
    error_message TEXT COLLATE "C" NOT NULL,
    attempts      BIGINT NOT NULL CHECK (attempts >= 0),
    started_at    BIGINT,
    completed_at  BIGINT,
    seq           BIGINT NOT NULL,
    PRIMARY KEY (job_id, ticker),
    CHECK ((status = 'failed') = (code <> ''))
);
CREATE UNIQUE INDEX details_position ON details (job_id, position);
CREATE INDEX details_seq ON details (job_id, seq, position);

-- What an analysis found, without its indicators: written once.
CREATE TABLE results (
    seq             BIGINT NOT NULL PRIMARY KEY,
    job_id          TEXT COLLATE "C" NOT NULL,
    ticker          TEXT COLLATE "C" NOT NULL,
    recorded_at     BIGINT NOT NULL,
    origin          TEXT COLLATE "C" NOT NULL CHECK (origin IN ('api', 'watchlist', 'schedule', 'retry', 'import')),
    strategy_name   TEXT COLLATE "C" NOT NULL,
    strategy_hash   TEXT COLLATE "C" NOT NULL,
    trading_day     TEXT COLLATE "C" NOT NULL,
    verdict         TEXT COLLATE "C" NOT NULL CHECK (verdict IN ('Strong Buy', 'Buy', 'Hold', 'Sell', 'Strong Sell')),
    score           DOUBLE PRECISION NOT NULL,
    coverage        DOUBLE PRECISION NOT NULL,
    regime          TEXT COLLATE "C" NOT NULL,
    warnings        TEXT COLLATE "C" NOT NULL, -- JSON array
    attempts        BIGINT NOT NULL CHECK (attempts >= 0),
    started_at      BIGINT,
    completed_at    BIGINT,
    side            TEXT COLLATE "C" NOT NULL,
    entry           DOUBLE PRECISION NOT NULL,
    stop            DOUBLE PRECISION NOT NULL,
    target          DOUBLE PRECISION NOT NULL,
    risk_reward     DOUBLE PRECISION NOT NULL,
    size            BIGINT NOT NULL,
    risk_amount     DOUBLE PRECISION NOT NULL,
    value           DOUBLE PRECISION NOT NULL,
    adjustments     TEXT COLLATE "C" NOT NULL, -- JSON array
    provider        TEXT COLLATE "C" NOT NULL,
    synthetic       BIGINT NOT NULL CHECK (synthetic IN (0, 1)),
    adjustment      TEXT COLLATE "C" NOT NULL,
    currency        TEXT COLLATE "C" NOT NULL,
    bars            BIGINT NOT NULL CHECK (bars >= 0),
    first_bar       TEXT COLLATE "C" NOT NULL,
    last_bar        TEXT COLLATE "C" NOT NULL,
    data_warnings   TEXT COLLATE "C" NOT NULL, -- JSON array
    close           DOUBLE PRECISION,
    previous_close  DOUBLE PRECISION,
    change_percent  DOUBLE PRECISION,
    volume          DOUBLE PRECISION,
    volume_ratio20  DOUBLE PRECISION,
    rsi14           DOUBLE PRECISION,
    macd            DOUBLE PRECISION,
    macd_signal     DOUBLE PRECISION,
    macd_hist       DOUBLE PRECISION,
    adx14           DOUBLE PRECISION,
    atr14           DOUBLE PRECISION,
    atr_percent     DOUBLE PRECISION,
    sma20           DOUBLE PRECISION,
    sma50           DOUBLE PRECISION,
    sma200          DOUBLE PRECISION,
    ema20           DOUBLE PRECISION,
    ema50           DOUBLE PRECISION,
    ema200          DOUBLE PRECISION,
    bb_upper        DOUBLE PRECISION,
    bb_lower        DOUBLE PRECISION,
    stoch_k         DOUBLE PRECISION,
    cci20           DOUBLE PRECISION,
    mfi14           DOUBLE PRECISION,
    high_52w        DOUBLE PRECISION,
    low_52w         DOUBLE PRECISION,
    FOREIGN KEY (job_id, ticker) REFERENCES details (job_id, ticker)
);
CREATE UNIQUE INDEX results_outcome ON results (job_id, ticker);
CREATE INDEX results_score ON results (job_id, score DESC, ticker);
CREATE INDEX results_ticker ON results (ticker, seq DESC);

-- The bulky part of a result, read only on demand.
CREATE TABLE indicators (
    seq  BIGINT NOT NULL PRIMARY KEY REFERENCES results (seq),
    data BYTEA NOT NULL -- zstd of the JSON array of indicators
);

-- The day's answer: of a ticker, strategy, class and trading day the result
-- with the highest sequence.
CREATE TABLE days (
    ticker        TEXT COLLATE "C" NOT NULL,
    strategy_hash TEXT COLLATE "C" NOT NULL,
    class         TEXT COLLATE "C" NOT NULL CHECK (class IN ('real', 'synthetic')),
    trading_day   TEXT COLLATE "C" NOT NULL,
    result_seq    BIGINT NOT NULL REFERENCES results (seq),
    PRIMARY KEY (ticker, strategy_hash, class, trading_day)
);
CREATE INDEX days_ticker ON days (ticker, trading_day DESC, result_seq DESC);

-- The newest of days for each ticker, strategy and class, with what screens
-- sort and filter by: it follows from days, and makes a screen one short scan
-- of an index however many days there are.
CREATE TABLE latest (
    ticker        TEXT COLLATE "C" NOT NULL,
    strategy_hash TEXT COLLATE "C" NOT NULL,
    class         TEXT COLLATE "C" NOT NULL CHECK (class IN ('real', 'synthetic')),
    trading_day   TEXT COLLATE "C" NOT NULL,
    result_seq    BIGINT NOT NULL REFERENCES results (seq),
    verdict       TEXT COLLATE "C" NOT NULL,
    score         DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (ticker, strategy_hash, class)
);
CREATE INDEX latest_score ON latest (class, score DESC, ticker, strategy_hash);
CREATE INDEX latest_strategy ON latest (class, strategy_hash, score DESC, ticker);
CREATE INDEX latest_day ON latest (class, strategy_hash, trading_day);

-- Events that could not be folded, set aside with the reason.
CREATE TABLE poison (
    seq         BIGINT NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    subject     TEXT COLLATE "C" NOT NULL,
    event_id    TEXT COLLATE "C" NOT NULL,
    event_type  TEXT COLLATE "C" NOT NULL,
    reason      TEXT COLLATE "C" NOT NULL,
    body        BYTEA NOT NULL
);

-- Where the recorder stands on the tape, and who may record. One row.
CREATE TABLE checkpoint (
    id                 BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    stream             TEXT COLLATE "C" NOT NULL,
    stream_created     BIGINT NOT NULL, -- nanoseconds: an identity, not a time to show; 0 is none
    seq                BIGINT NOT NULL CHECK (seq >= 0),
    anchor             TEXT COLLATE "C" NOT NULL,    -- fingerprint of the message at seq
    projection_version BIGINT NOT NULL,
    owner              TEXT COLLATE "C" NOT NULL,
    epoch              BIGINT NOT NULL CHECK (epoch >= 0),
    lease_until        BIGINT NOT NULL  -- by the database's clock
);
INSERT INTO checkpoint VALUES (1, '', 0, 0, '', 1, '', 0, 0);

-- What was given up when a tape was lost or damaged. By the database's clock.
CREATE TABLE recoveries (
    number             BIGINT NOT NULL PRIMARY KEY,
    recovered_at       BIGINT NOT NULL,
    reason             TEXT COLLATE "C" NOT NULL,
    saved              TEXT COLLATE "C" NOT NULL, -- where the tables from before were saved
    old_stream         TEXT COLLATE "C" NOT NULL,
    old_stream_created BIGINT NOT NULL,
    old_seq            BIGINT NOT NULL,
    old_anchor         TEXT COLLATE "C" NOT NULL,
    new_stream         TEXT COLLATE "C" NOT NULL,
    new_stream_created BIGINT NOT NULL,
    new_seq            BIGINT NOT NULL,
    new_anchor         TEXT COLLATE "C" NOT NULL
);
