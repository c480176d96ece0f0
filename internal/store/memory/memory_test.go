package memory_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tapedeck/tapedeck/internal/store"
	"github.com/tapedeck/tapedeck/internal/store/memory"
	"github.com/tapedeck/tapedeck/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Test(t, func(t *testing.T) storetest.Database {
		s := memory.New(time.Now)
		return storetest.Database{
			Writer: func() (store.Recording, error) { return s.OpenWriter(), nil },
			Reader: func() (store.Reading, error) { return s.OpenReader(), nil },
			Exec: func(text string) error {
				err := s.Exec(text)
				if errors.Is(err, memory.ErrNotModelled) && t.Name() == "TestStore/OlderProgram" {
					t.Skip("an older program's statements: there are no columns in memory that it would not know")
				}
				return err
			},
		}
	})
}
