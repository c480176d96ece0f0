package api_test

import (
	"testing"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/postgres"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
)

func openDatabase(t *testing.T) store.Recording {
	t.Helper()
	w, err := postgres.OpenRecording(postgres.Options{URL: postgrestest.Database(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if err := w.Migrate(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	return w
}
