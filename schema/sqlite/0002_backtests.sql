-- min_program: 1
-- Backtests: their outcomes, what their jobs asked, and what was done to get the
-- bars of a result. Everything is added; a program that does not know it leaves
-- it at its defaults.

ALTER TABLE jobs ADD COLUMN backtest TEXT NOT NULL DEFAULT ''; -- JSON object of a backtest; else empty
ALTER TABLE results ADD COLUMN data_notes TEXT NOT NULL DEFAULT '[]'; -- JSON array

-- What a backtest of a ticker found: written once. What one sorts and filters by
-- are columns, the whole metrics, the curve and the trades stand behind them.
-- No other table is made from these rows.
CREATE TABLE backtests (
    seq                       INTEGER NOT NULL PRIMARY KEY,
    job_id                    TEXT NOT NULL,
    ticker                    TEXT NOT NULL,
    recorded_at               INTEGER NOT NULL,
    origin                    TEXT NOT NULL CHECK (origin IN ('api', 'watchlist', 'schedule', 'retry', 'import')),
    strategy_name             TEXT NOT NULL,
    strategy_hash             TEXT NOT NULL,
    first_day                 TEXT NOT NULL,
    last_day                  TEXT NOT NULL,
    sessions                  INTEGER NOT NULL CHECK (sessions > 0),
    capital                   REAL NOT NULL,
    final_equity              REAL NOT NULL,
    exposure_percent          REAL NOT NULL,
    trades                    INTEGER NOT NULL CHECK (trades >= 0),
    win_rate_percent          REAL,
    profit_factor             REAL,
    expectancy                REAL,
    return_percent            REAL NOT NULL,
    cagr_percent              REAL,
    sharpe                    REAL,
    max_drawdown_percent      REAL NOT NULL,
    hold_return_percent       REAL NOT NULL,
    hold_cagr_percent         REAL,
    hold_sharpe               REAL,
    hold_max_drawdown_percent REAL NOT NULL,
    warnings                  TEXT NOT NULL, -- JSON array
    attempts                  INTEGER NOT NULL CHECK (attempts >= 0),
    started_at                INTEGER,
    completed_at              INTEGER,
    provider                  TEXT NOT NULL,
    synthetic                 INTEGER NOT NULL CHECK (synthetic IN (0, 1)),
    adjustment                TEXT NOT NULL,
    currency                  TEXT NOT NULL,
    bars                      INTEGER NOT NULL CHECK (bars >= 0),
    first_bar                 TEXT NOT NULL,
    last_bar                  TEXT NOT NULL,
    data_warnings             TEXT NOT NULL, -- JSON array
    data_notes                TEXT NOT NULL, -- JSON array
    trades_left_out           INTEGER NOT NULL CHECK (trades_left_out >= 0),
    metrics                   BLOB NOT NULL, -- zstd of the JSON object of all metrics
    curve                     BLOB NOT NULL, -- zstd of the JSON object of the curve
    trade_list                BLOB NOT NULL, -- zstd of the JSON array of trades
    FOREIGN KEY (job_id, ticker) REFERENCES details (job_id, ticker)
) STRICT;
CREATE UNIQUE INDEX backtests_outcome ON backtests (job_id, ticker);
CREATE INDEX backtests_return ON backtests (job_id, return_percent DESC, ticker);
