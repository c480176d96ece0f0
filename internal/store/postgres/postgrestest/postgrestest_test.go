package postgrestest_test

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tapedeck/tapedeck/internal/store/postgres/postgrestest"
)

func TestDatabasesAreApart(t *testing.T) {
	first, second := postgrestest.Database(t), postgrestest.Database(t)
	if first == second {
		t.Fatalf("both databases are %s", first)
	}
	if err := postgrestest.Exec(first, "CREATE TABLE t (x int)"); err != nil {
		t.Fatal(err)
	}
	if err := postgrestest.Exec(second, "SELECT * FROM t"); err == nil {
		t.Error("the second database sees the first one's table")
	}
}

// TestSharedServerOutlivesCollections: nothing of the server may be left to
// the garbage collector.
func TestSharedServerOutlivesCollections(t *testing.T) {
	url := postgrestest.Database(t)
	for range 3 {
		runtime.GC()
		runtime.GC() // the second one runs what the first one found
		if err := postgrestest.Exec(url, "SELECT pg_sleep(0.05)"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOrderIsNotBytewise(t *testing.T) {
	if os.Getenv(postgrestest.EnvURL) != "" {
		t.Skip("the collations of a given server are its own")
	}
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, postgrestest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var less bool
	if err := conn.QueryRow(ctx, "SELECT 'a' < 'B'").Scan(&less); err != nil {
		t.Fatal(err)
	}
	if !less {
		t.Error("databases of tests order bytewise: a missing COLLATE would not be found")
	}
}

func TestKilledServerKeepsWhatWasCommitted(t *testing.T) {
	server := postgrestest.Start(t, "", postgrestest.Options{TCP: true})
	if err := postgrestest.Exec(server.URL(), "CREATE TABLE t (x int)", "INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	server.Restart(t)
	if err := postgrestest.Exec(server.URL(), "INSERT INTO t VALUES (2)"); err != nil {
		t.Fatal(err)
	}
	server.Stop(true)
	if err := postgrestest.Exec(server.URL(), "SELECT 1"); err == nil {
		t.Error("a stopped server answers")
	}
	server.Restart(t)
	if got := count(t, server.URL()); got != 2 {
		t.Errorf("%d rows, want 2", got)
	}
}

func count(t *testing.T, url string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestServerEndsWithItsProcess runs this test binary again as a child, which
// starts a server, says where, and is killed.
func TestServerEndsWithItsProcess(t *testing.T) {
	const child = "TAPEDECK_POSTGRESTEST_CHILD"
	if path := os.Getenv(child); path != "" {
		url := postgrestest.Start(t, "", postgrestest.Options{}).URL()
		if err := os.WriteFile(path, []byte(url), 0o600); err != nil {
			t.Fatal(err)
		}
		killSelf()
	}
	path := t.TempDir() + "/url"
	cmd := exec.Command(os.Args[0], "-test.run", "^TestServerEndsWithItsProcess$")
	cmd.Env = append(os.Environ(), child+"="+path)
	output, _ := cmd.CombinedOutput() // killed: always an error
	url, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("SKIPPED, the child started no server: %s", output)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if err := postgrestest.Exec(string(url), "SELECT 1"); err != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the server outlives the process that started it")
		}
	}
}

func killSelf() {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		panic(err)
	}
	self.Kill()
	select {}
}
