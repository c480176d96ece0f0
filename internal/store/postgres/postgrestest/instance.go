package postgrestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tapedeck/tapedeck/internal/loopback"
)

// unixPort is the port in the name of a socket in a directory of its own.
const unixPort = 5432

// Options say how a server of a test's own runs.
type Options struct {
	// TCP opens a port on 127.0.0.1 beside the Unix socket; URL names it then.
	// The port stays the same over restarts.
	TCP bool

	settings []string // name=value, behind our own
}

// An Instance is a server of a test's own, with fsync on and its own data. Its
// methods are for one goroutine at a time.
type Instance struct {
	bin     string // directory of the binaries
	dir     string // holds data, the socket and the log
	owned   bool   // dir was made by us and goes with the instance
	port    int
	options Options

	process *exec.Cmd      // nil while stopped
	watcher io.WriteCloser // ends the server when this process ends
}

// Start starts a server with its data in dir (empty: a new directory that
// goes with the test), making the data if there is none. It is stopped when
// the test ends. Tests without PostgreSQL are skipped or failed as in Server;
// TAPEDECK_TEST_POSTGRES does not help here, as nobody may kill that server.
func Start(tb testing.TB, dir string, options Options) *Instance {
	tb.Helper()
	port := unixPort
	if options.TCP {
		port = loopback.Port(tb)
	}
	instance, err := create(dir, port, options)
	if err != nil {
		unavailable(tb, err)
	}
	tb.Cleanup(func() {
		instance.signal(quit)
		if err := instance.remove(); err != nil {
			tb.Errorf("removing the server's directory: %v", err)
		}
	})
	if err := instance.start(time.Now().Add(StartTimeout)); err != nil {
		tb.Fatal(err)
	}
	return instance
}

// URL is the URL of the database "postgres" as its superuser.
func (i *Instance) URL() string {
	if i.options.TCP {
		return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", i.port)
	}
	query := url.Values{"host": {i.dir}, "port": {strconv.Itoa(i.port)}}
	return "postgres://postgres@/postgres?" + query.Encode()
}

// Users makes the users of the recorder and of the api, as deploy/postgres.sh
// does but without passwords, and returns the URLs of the database as each.
func (i *Instance) Users(tb testing.TB) (recorder, api string) {
	tb.Helper()
	err := Exec(i.URL(),
		"CREATE ROLE tapedeck_reader NOLOGIN",
		"CREATE ROLE tapedeck_api LOGIN IN ROLE tapedeck_reader",
		"CREATE ROLE tapedeck_recorder LOGIN",
		"REVOKE ALL ON DATABASE postgres FROM PUBLIC",
		"GRANT CONNECT ON DATABASE postgres TO tapedeck_reader",
		"GRANT CONNECT, CREATE ON DATABASE postgres TO tapedeck_recorder")
	if err != nil {
		tb.Fatal(err)
	}
	return WithUser(i.URL(), "tapedeck_recorder"), WithUser(i.URL(), "tapedeck_api")
}

// Stop stops the server: fast (connections are ended, a checkpoint is
// written), or immediate as if it had crashed. It returns when it has ended.
func (i *Instance) Stop(immediate bool) {
	if immediate {
		i.signal(quit)
		return
	}
	i.signal(interrupt)
}

// Kill kills the server's first process with SIGKILL and returns when it has
// ended; the backends notice and end by themselves, a little later.
func (i *Instance) Kill() { i.signal(kill) }

// Restart starts the server again after Stop or Kill, and stops it fast
// before that if it runs. It returns when the server answers, after recovery.
func (i *Instance) Restart(tb testing.TB) {
	tb.Helper()
	i.signal(interrupt)
	if err := i.start(time.Now().Add(StartTimeout)); err != nil {
		tb.Fatal(err)
	}
}

// create finds the binaries and makes the directory and the data in it.
func create(dir string, port int, options Options) (*Instance, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	i := &Instance{bin: bin, dir: dir, port: port, options: options, owned: dir == ""}
	if i.owned {
		if i.dir, err = temporary(); err != nil {
			return nil, err
		}
	}
	if err := i.initdb(); err != nil {
		return nil, errors.Join(err, i.remove())
	}
	return i, nil
}

// temporary makes a directory straight under the temporary directory: the
// path of a socket must be short, and those of tests are not.
func temporary() (string, error) {
	root := os.TempDir()
	if len(root)+len("/tdpg0123456789/.s.PGSQL.65535") > maxSocketPath {
		root = "/tmp"
	}
	return os.MkdirTemp(root, "tdpg")
}

func (i *Instance) data() string { return filepath.Join(i.dir, "data") }
func (i *Instance) log() string  { return filepath.Join(i.dir, "log") }

func (i *Instance) initdb() error {
	if err := own(i.dir); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(i.data(), "PG_VERSION")); err == nil {
		return nil
	}
	initdb := i.command("initdb", "-D", i.data(), "-U", "postgres", "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync")
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("running initdb: %w\n%s", err, output)
	}
	return nil
}

// command prepares one of the server's programs, as a user that it accepts.
func (i *Instance) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(i.bin, program), args...)
	cmd.Dir = i.dir // the working directory may be closed to that user
	cmd.SysProcAttr = unprivileged()
	return cmd
}

// start starts the server and waits until it answers. After a kill the first
// starts fail for as long as a backend of the old server lives.
func (i *Instance) start(deadline time.Time) error {
	for {
		err := i.launch(deadline)
		if err == nil || !errors.Is(err, errOldBackends) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pollInterval)
	}
}

// errOldBackends says that processes of the server before still live.
var errOldBackends = errors.New("backends of the killed server are still running")

func (i *Instance) launch(deadline time.Time) error {
	logs, err := os.Create(i.log())
	if err != nil {
		return fmt.Errorf("creating the server's log: %w", err)
	}
	defer logs.Close()
	i.process = i.command("postgres", i.arguments()...)
	i.process.Stdout, i.process.Stderr = logs, logs
	if err := i.process.Start(); err != nil {
		i.process = nil
		return fmt.Errorf("starting postgres: %w", err)
	}
	if err := i.watch(); err != nil {
		i.signal(quit)
		return err
	}
	return i.await(deadline)
}

func (i *Instance) arguments() []string {
	listen := ""
	if i.options.TCP {
		listen = "127.0.0.1"
	}
	settings := append([]string{
		"listen_addresses=" + listen,
		"port=" + strconv.Itoa(i.port),
		"unix_socket_directories=" + i.dir,
		"max_connections=" + strconv.Itoa(maxConnections),
		"shared_buffers=32MB",
		"log_min_messages=fatal",
	}, i.options.settings...)
	args := []string{"-D", i.data()}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return args
}

// watch starts a shell that reads from a pipe of this process: when the pipe
// ends without a word, this process has ended, and so must the server.
func (i *Instance) watch() error {
	const script = `read -r word || { kill -QUIT "$1"; [ -z "$2" ] || { sleep 1; rm -rf "$2"; }; }`
	remove := ""
	if i.owned {
		remove = i.dir
	}
	shell := exec.Command("/bin/sh", "-c", script, "watcher", strconv.Itoa(i.process.Process.Pid), remove)
	shell.SysProcAttr = ownSession() // an interrupt of the terminal must not end it first
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("starting the server's watcher: %w", err)
	}
	shell.Stdin = read
	err = shell.Start()
	read.Close()
	if err != nil {
		write.Close()
		return fmt.Errorf("starting the server's watcher: %w", err)
	}
	i.watcher = dismissal{write, shell}
	return nil
}

// dismissal ends a watcher whose server has ended already.
type dismissal struct {
	pipe  *os.File
	shell *exec.Cmd
}

// Write implements io.Writer.
func (d dismissal) Write(p []byte) (int, error) { return d.pipe.Write(p) }

// Close implements io.Closer.
func (d dismissal) Close() error {
	_, err := d.pipe.WriteString("ended\n")
	return errors.Join(err, d.pipe.Close(), d.shell.Wait())
}

// await waits until the server answers, ends or is too late.
func (i *Instance) await(deadline time.Time) error {
	for {
		err := i.ping()
		if err == nil {
			return nil
		}
		ended := exited(i.process.Process)
		if ended || time.Now().After(deadline) {
			logs, _ := os.ReadFile(i.log()) // only to say more
			i.signal(quit)
			if ended && (bytes.Contains(logs, []byte("pre-existing shared memory")) || bytes.Contains(logs, []byte("lock file"))) {
				return errOldBackends
			}
			return fmt.Errorf("waiting for postgres: %w\n%s", err, strings.TrimSpace(string(logs)))
		}
		time.Sleep(pollInterval)
	}
}

func (i *Instance) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, i.URL())
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// signal ends the server's first process and waits for it.
func (i *Instance) signal(how os.Signal) {
	if i.process == nil {
		return
	}
	i.process.Process.Signal(how) // it may have ended before
	i.process.Wait()              // how it ended is not of interest
	i.process = nil
	if i.watcher != nil {
		i.watcher.Close() // it has ended, or will find nothing to do
		i.watcher = nil
	}
}

// remove removes the directory, if it is ours to remove.
func (i *Instance) remove() error {
	if !i.owned {
		return nil
	}
	return os.RemoveAll(i.dir)
}
