package dsn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tapedeck/tapedeck/internal/store/postgres"
)

// Size is how many bytes a database takes: of SQLite its file and its log, of
// PostgreSQL all that is in the database. ErrURL if the address is not understood.
func Size(ctx context.Context, address string) (int64, error) {
	at, err := Parse(address)
	if err != nil {
		return 0, fmt.Errorf("measuring the database: %w", err)
	}
	if at.Engine == Postgres {
		bytes, err := postgres.Size(ctx, postgres.Options{URL: at.url})
		if err != nil {
			return 0, fmt.Errorf("measuring the database: %w", err)
		}
		return bytes, nil
	}
	file, err := filepath.EvalSymlinks(at.Path) // the link leads to the generation that is read
	if err != nil {
		return 0, fmt.Errorf("measuring the database: %w", err)
	}
	var bytes int64
	for _, path := range []string{file, file + "-wal"} {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) && path != file {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("measuring the database: %w", err)
		}
		bytes += info.Size()
	}
	return bytes, nil
}
