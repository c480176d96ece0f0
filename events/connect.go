package events

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// ErrName says that a subscriber's name cannot be one.
var ErrName = errors.New("not a subscriber's name")

// DurableName is the name of a subscriber's consumer on the tape, and of its
// NATS user: "sub-NAME". NAME is 1 to 32 characters of [a-z0-9_-] and begins
// with a letter or a digit.
func DurableName(name string) (string, error) {
	if name == "" || len(name) > maxNameBytes {
		return "", fmt.Errorf("%w: %.80q: it takes 1 to %d characters", ErrName, name, maxNameBytes)
	}
	for i := range len(name) {
		c := name[i]
		if !isPlain(c) || c >= 'A' && c <= 'Z' || i == 0 && (c == '_' || c == '-') {
			return "", fmt.Errorf("%w: %q: only small letters, digits, '_' and '-', the first a letter or digit", ErrName, name)
		}
	}
	return "sub-" + name, nil
}

// InboxPrefix is where a user of tapedeck's NATS server receives answers. Its
// permissions allow no other inbox, so that nobody reads another's answers.
func InboxPrefix(user string) string { return "_INBOX_" + user }

// Connect connects to the NATS server at url as user, the way its permissions
// ask for: with InboxPrefix. The connection is made again for ever when it
// breaks. What the server refuses later is printed to standard error by the
// client unless options hold a nats.ErrorHandler; a refused request itself
// looks like one that nobody answers. Options come last and win (nats.Secure,
// nats.Name). Close the connection when done.
func Connect(url, user, password string, options ...nats.Option) (*nats.Conn, error) {
	const (
		wait   = 500 * time.Millisecond // between two attempts at one server: soon, but no flood
		jitter = 500 * time.Millisecond // so that a restarted server is not met by all at once
	)
	all := append([]nats.Option{
		nats.Name(user),
		nats.UserInfo(user, password),
		nats.CustomInboxPrefix(InboxPrefix(user)),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(wait),
		nats.ReconnectJitter(jitter, jitter),
	}, options...)
	nc, err := nats.Connect(url, all...)
	if err != nil {
		return nil, fmt.Errorf("connecting as %q (is the server at the URL, and are these the credentials that 'tapedeck subscriber add' printed?): %w", user, err)
	}
	return nc, nil
}
