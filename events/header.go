package events

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// one reads a header that must stand there once at most. "" means absent.
func one(header nats.Header, name string) (string, error) {
	values := header.Values(name)
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", fmt.Errorf("%w: %d %s headers", ErrMalformed, len(values), name)
	}
	if err := checkHeader(name, values[0]); err != nil {
		return "", err
	}
	return values[0], nil
}

// need reads a header that must stand there exactly once and not be empty.
func need(header nats.Header, name string) (string, error) {
	value, err := one(header, name)
	if err == nil && value == "" {
		err = fmt.Errorf("%w: no %s header", ErrMalformed, name)
	}
	return value, err
}

// checkHeader refuses what CloudEvents would have to percent-encode and what
// NATS would change on the way (it trims spaces and joins broken lines).
func checkHeader(name, value string) error {
	if len(value) > MaxHeaderBytes {
		return fmt.Errorf("%w: %s has %d bytes, the limit is %d", ErrMalformed, name, len(value), MaxHeaderBytes)
	}
	for i := range len(value) {
		c := value[i]
		if c < 0x20 || c > 0x7e || c == '"' || c == '%' || c == ' ' && name != HeaderContentType {
			return fmt.Errorf("%w: %s %.64q: byte %d is not allowed there", ErrMalformed, name, value, i)
		}
	}
	return nil
}

// checkContentType takes JSON with any parameters; an absent header means JSON.
func checkContentType(header nats.Header) error {
	value, err := one(header, HeaderContentType)
	if err != nil {
		return err
	}
	media, _, _ := strings.Cut(value, ";")
	if media = strings.TrimSpace(media); media != "" && !strings.EqualFold(media, contentType) {
		return fmt.Errorf("%w: %s is %.64q, not %q", ErrMalformed, HeaderContentType, value, contentType)
	}
	return nil
}
