package postgres

import (
	"context"
	"fmt"
)

// Size is how many bytes the database takes, everything in it together.
func Size(ctx context.Context, options Options) (bytes int64, err error) {
	config, err := options.connConfig(Schema, nil)
	if err != nil {
		return 0, err
	}
	conn, err := dial(ctx, config)
	if err != nil {
		return 0, err
	}
	defer shut(conn)
	if err := conn.QueryRow(ctx, `SELECT pg_database_size(current_database())`).Scan(&bytes); err != nil {
		return 0, fmt.Errorf("asking for the size of the database: %w", err)
	}
	return bytes, nil
}
