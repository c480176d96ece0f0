package natsd

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/tapedeck/tapedeck/internal/stream"
)

// render makes the effective configuration: the variables in front, the users
// of subscribers at their line.
func render(conf []byte, dir string, passwords map[stream.Role]string, users map[string]string) ([]byte, error) {
	if bytes.Count(conf, []byte(stream.ConfSubscribers)) != 1 {
		return nil, fmt.Errorf("reading nats.conf: the line %q must stand there once", stream.ConfSubscribers)
	}
	var out bytes.Buffer
	out.WriteString("# Written by tapedeck at each start and change. Edit nats.conf instead.\n")
	fmt.Fprintf(&out, "%s: %q\n", stream.StoreVariable, dir)
	for _, role := range stream.Roles() {
		fmt.Fprintf(&out, "%s: %q\n", stream.PasswordVariable(role), passwords[role])
	}
	var blocks bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(users)) {
		blocks.WriteString(stream.SubscriberUser(name, users[name]))
	}
	out.Write(bytes.Replace(conf, []byte(stream.ConfSubscribers), blocks.Bytes(), 1))
	return out.Bytes(), nil
}

// loadPasswords reads the kept passwords, lets given ones go before, makes up
// what is missing, and keeps the result.
func loadPasswords(path string, given map[stream.Role]string) (map[stream.Role]string, error) {
	passwords := map[stream.Role]string{}
	if err := readJSON(path, &passwords); err != nil {
		return nil, err
	}
	for _, role := range stream.Roles() {
		if given[role] != "" {
			passwords[role] = given[role]
		}
		if passwords[role] == "" {
			passwords[role] = newPassword()
		}
	}
	return passwords, writeJSON(path, passwords)
}

// loadUsers reads the subscribers and their passwords.
func loadUsers(path string) (map[string]string, error) {
	users := map[string]string{}
	return users, readJSON(path, &users)
}

// newPassword begins with a letter, so that it is a word to the server's
// configuration, never a number.
func newPassword() string {
	random := make([]byte, passwordBytes)
	rand.Read(random) //nolint:errcheck // never fails: it ends the program instead
	return "p" + base64.RawURLEncoding.EncodeToString(random)
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

func writeJSON(path string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(data, '\n'))
}

// writeFile replaces a file whole, readable by the owner only.
func writeFile(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // gone after the rename
	if _, err := tmp.Write(data); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Sync(); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
