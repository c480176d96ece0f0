package postgres_test

import (
	"testing"

	"github.com/tapedeck/tapedeck/internal/leaktest"
	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/postgres"
	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

// TestMain sees to it that nothing of the store outlives its Close.
func TestMain(m *testing.M) { leaktest.Main(m) }

func TestStore(t *testing.T) {
	storetest.Test(t, func(t *testing.T) storetest.Database {
		url := postgrestest.Database(t)
		options := postgres.Options{URL: url}
		return storetest.Database{
			Writer: func() (store.Recording, error) { return postgres.OpenRecording(options) },
			Reader: func() (store.Reading, error) { return postgres.OpenReading(options) },
			Exec: func(sql string) error {
				return postgrestest.Exec(url, "SET search_path = tapedeck", sql)
			},
		}
	})
}
