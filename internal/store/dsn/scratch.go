package dsn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/sqlite"
)

// Scratch makes an empty SQLite database in a temporary directory, for one
// verification; remove closes and removes it. It takes as much of the disk as
// the tables that are verified.
func Scratch(ctx context.Context) (db store.Scratch, remove func(), err error) {
	dir, err := os.MkdirTemp("", "tapedeck-scratch-")
	if err != nil {
		return nil, nil, fmt.Errorf("making a scratch database: %w", err)
	}
	database := sqlite.OpenWriter(filepath.Join(dir, "scratch.db"))
	remove = func() { // nothing in it is worth an error
		_ = database.Close()
		_ = os.RemoveAll(dir)
	}
	if err := database.Migrate(ctx, func(string) {}); err != nil {
		remove()
		return nil, nil, errors.Join(fmt.Errorf("making a scratch database in %s", dir), err)
	}
	return scratch{database, database.Reading()}, remove, nil
}

type scratch struct {
	store.Writer
	store.Dumper
}
