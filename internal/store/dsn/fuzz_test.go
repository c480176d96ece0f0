package dsn_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/tapedeck/tapedeck/internal/store/dsn"
)

// FuzzParse: whatever is given as the address of a database is one or ErrURL;
// neither its text nor that of the error holds the password.
func FuzzParse(f *testing.F) {
	for _, address := range []string{
		"sqlite:deck.db", "sqlite:", "sqlite::memory:", "sqlite:a\x00b", "postgres://u@h/d", "postgres://", "postgresql://h?sslmode=disable",
		"postgres://h/d?x=%zz;y", "postgres:///d?host=/tmp", "mysql://h", "", "postgres://u:%zz@h/d",
	} {
		f.Add(address, "secret")
	}
	f.Fuzz(func(t *testing.T, address, tail string) {
		const secret = "hunter2hunter2"
		if strings.Contains(address+tail, "hunter2") {
			t.Skip("the password is in the open")
		}
		for _, one := range []string{
			address, "postgres://u:" + secret + "@h/d?" + tail, "postgres://u:" + secret + tail + "@h/d", "postgres://h/d?password=" + secret + "&" + tail,
			"postgres://u@h/d?" + url.QueryEscape(tail) + "&sslpassword=" + secret, "postgres://" + tail + ":" + secret + "@" + address,
		} {
			at, err := dsn.Parse(one)
			text := at.String()
			if err != nil {
				text = err.Error()
				if !errors.Is(err, dsn.ErrURL) {
					t.Fatalf("%q: %v", one, err)
				}
			}
			if strings.Contains(one, "hunter2") && strings.Contains(text, "hunter2") {
				t.Fatalf("%q says %q", one, text)
			}
			if err == nil && at.Engine == dsn.SQLite && (at.Path == "" || strings.ContainsRune(at.Path, 0)) {
				t.Fatalf("%q is the file %q", one, at.Path)
			}
		}
	})
}
