package limit

import (
	"context"
	"sync"
	"time"
)

// Memory keeps accounts for one process. Use NewMemory.
type Memory struct {
	mu       sync.Mutex // guards accounts
	accounts map[string]Account
}

// NewMemory returns empty Books of one process.
func NewMemory() *Memory { return &Memory{accounts: map[string]Account{}} }

// Book implements Books. It never fails.
func (m *Memory) Book(_ context.Context, provider string, n int, interval time.Duration) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	account, first := m.accounts[provider].Book(time.Now(), n, interval)
	m.accounts[provider] = account
	return first, nil
}

// Pause implements Books. It never fails.
func (m *Memory) Pause(_ context.Context, provider string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.accounts[provider] = m.accounts[provider].Pause(time.Now(), until)
	return nil
}

// Paused implements Books. It never fails.
func (m *Memory) Paused(_ context.Context, provider string) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.accounts[provider].PausedUntil(time.Now()), nil
}
