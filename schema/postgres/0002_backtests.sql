-- min_program: 1
-- Backtests: their outcomes, what their jobs asked, and what was done to get the
-- bars of a result. Everything is added; a program that does not know it leaves
-- it at its defaults.

ALTER TABLE jobs ADD COLUMN backtest TEXT COLLATE "C" NOT NULL DEFAULT ''; -- JSON object of a backtest; else empty
ALTER TABLE results ADD COLUMN data_notes TEXT COLLATE "C" NOT NULL DEFAULT '[]'; -- JSON array

-- What a backtest of a ticker found: written once. What one sorts and filters by
-- are columns, the whole metrics, the curve and the trades stand behind them.
-- No other table is made from these rows.
CREATE TABLE backtests (
    seq                       BIGINT NOT NULL PRIMARY KEY,
    job_id                    TEXT COLLATE "C" NOT NULL,
    ticker                    TEXT COLLATE "C" NOT NULL,
    recorded_at               BIGINT NOT NULL,
    origin                    TEXT COLLATE "C" NOT NULL CHECK (origin IN ('api', 'watchlist', 'schedule', 'retry', 'import')),
    strategy_name             TEXT COLLATE "C" NOT NULL,
    strategy_hash             TEXT COLLATE "C" NOT NULL,
    first_day                 TEXT COLLATE "C" NOT NULL,
    last_day                  TEXT COLLATE "C" NOT NULL,
    sessions                  BIGINT NOT NULL CHECK (sessions > 0),
    capital                   DOUBLE PRECISION NOT NULL,
    final_equity              DOUBLE PRECISION NOT NULL,
    exposure_percent          DOUBLE PRECISION NOT NULL,
    trades                    BIGINT NOT NULL CHECK (trades >= 0),
    win_rate_percent          DOUBLE PRECISION,
    profit_factor             DOUBLE PRECISION,
    expectancy                DOUBLE PRECISION,
    return_percent            DOUBLE PRECISION NOT NULL,
    cagr_percent              DOUBLE PRECISION,
    sharpe                    DOUBLE PRECISION,
    max_drawdown_percent      DOUBLE PRECISION NOT NULL,
    hold_return_percent       DOUBLE PRECISION NOT NULL,
    hold_cagr_percent         DOUBLE PRECISION,
    hold_sharpe               DOUBLE PRECISION,
    hold_max_drawdown_percent DOUBLE PRECISION NOT NULL,
    warnings                  TEXT COLLATE "C" NOT NULL, -- JSON array
    attempts                  BIGINT NOT NULL CHECK (attempts >= 0),
    started_at                BIGINT,
    completed_at              BIGINT,
    provider                  TEXT COLLATE "C" NOT NULL,
    synthetic                 BIGINT NOT NULL CHECK (synthetic IN (0, 1)),
    adjustment                TEXT COLLATE "C" NOT NULL,
    currency                  TEXT COLLATE "C" NOT NULL,
    bars                      BIGINT NOT NULL CHECK (bars >= 0),
    first_bar                 TEXT COLLATE "C" NOT NULL,
    last_bar                  TEXT COLLATE "C" NOT NULL,
    data_warnings             TEXT COLLATE "C" NOT NULL, -- JSON array
    data_notes                TEXT COLLATE "C" NOT NULL, -- JSON array
    trades_left_out           BIGINT NOT NULL CHECK (trades_left_out >= 0),
    metrics                   BYTEA NOT NULL, -- zstd of the JSON object of all metrics
    curve                     BYTEA NOT NULL, -- zstd of the JSON object of the curve
    trade_list                BYTEA NOT NULL, -- zstd of the JSON array of trades
    FOREIGN KEY (job_id, ticker) REFERENCES details (job_id, ticker)
);
CREATE UNIQUE INDEX backtests_outcome ON backtests (job_id, ticker);
CREATE INDEX backtests_return ON backtests (job_id, return_percent DESC, ticker);
