package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tapedeck/tapedeck/client"
	"github.com/tapedeck/tapedeck/events"
	"github.com/tapedeck/tapedeck/internal/e2e/processes"
	"github.com/tapedeck/tapedeck/internal/natsd"
	"github.com/tapedeck/tapedeck/internal/stream"
)

// readyTime is how long a pipeline may take to become ready, on a machine that
// runs many tests at once.
const readyTime = 30 * time.Second

// A deck is a running pipeline, in one process or in many, as its users see it.
type deck struct {
	t      *testing.T
	base   string // address of the api
	client *client.Client
	// operator are the flags by which the operator's commands reach it, and
	// operatorEnv their variables.
	operator    []string
	operatorEnv []string
	// tape is a connection that may read the whole tape.
	tape func() *nats.Conn
}

func (d *deck) listen(address string) {
	d.t.Helper()
	d.base = "http://" + address
	var err error
	if d.client, err = client.New(d.base); err != nil {
		d.t.Fatal(err)
	}
}

// ready waits until /readyz says so.
func (d *deck) ready() {
	d.t.Helper()
	processes.Until(d.t, readyTime, "the api to be ready", func() error {
		response, err := http.Get(d.base + "/readyz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
}

// operate runs one of the operator's commands that must succeed.
func (d *deck) operate(verb ...string) string {
	d.t.Helper()
	out, _ := command(d.t, 0, d.operatorEnv, "tapedeck", append(verb, d.operator...)...)
	return out
}

// use runs one of the users' commands, which must end with code.
func (d *deck) use(code int, args ...string) (out, errOut string) {
	d.t.Helper()
	return command(d.t, code, nil, "tapedeck", append(args, "--server", d.base)...)
}

func (d *deck) submit(s client.Submission) client.Accepted {
	d.t.Helper()
	accepted, err := d.client.Submit(d.t.Context(), s, "")
	if err != nil {
		d.t.Fatalf("submitting: %v", err)
	}
	return accepted
}

// job reads a job that was accepted: whatever else may fail while processes
// are killed, that it is not found is never an answer.
func (d *deck) job(id string) (client.Job, error) {
	d.t.Helper()
	job, err := d.client.Job(d.t.Context(), id)
	if client.IsNotFound(err) {
		d.t.Errorf("accepted, and then: %v", err)
	}
	return job, err
}

// ended waits until a job has ended, and returns it.
func (d *deck) ended(id string, within time.Duration) client.Job {
	d.t.Helper()
	var job client.Job
	processes.Until(d.t, within, "job "+id+" to end", func() (err error) {
		if job, err = d.job(id); err == nil && !job.Status.Ended() {
			err = fmt.Errorf("%s, %d of %d pending, as of %d", job.Status, job.Pending, job.Total, job.AsOfSeq)
		}
		return err
	})
	return job
}

// completed waits until a job has ended, and holds that all its tickers were analysed.
func (d *deck) completed(id string, within time.Duration) client.Job {
	d.t.Helper()
	job := d.ended(id, within)
	if job.Status != events.StatusCompleted || job.Analyzed != job.Total {
		d.t.Errorf("job %s ended as %s with %d of %d analysed, %d failed", id, job.Status, job.Analyzed, job.Total, job.Failed)
	}
	return job
}

// recorded waits until the api shows at least n outcomes of a job, and
// requires that some are still to come.
func (d *deck) recorded(id string, n int) {
	d.t.Helper()
	processes.Until(d.t, time.Minute, fmt.Sprintf("%d outcomes of job %s", n, id), func() error {
		job, err := d.job(id)
		if err == nil && job.Total-job.Pending < n {
			err = fmt.Errorf("%d are there, as of %d", job.Total-job.Pending, job.AsOfSeq)
		}
		if err == nil && job.Pending == 0 {
			d.t.Fatalf("job %s ended before its middle could be used; it is too small", id)
		}
		return err
	})
}

func (d *deck) details(id string, status string) map[string]client.Detail {
	d.t.Helper()
	query := url.Values{"limit": {"1000"}}
	if status != "" {
		query.Set("status", status)
	}
	details := map[string]client.Detail{}
	err := client.All(d.t.Context(), query, func(ctx context.Context, query url.Values) (client.Page[client.Detail], error) {
		return d.client.Details(ctx, id, query)
	}, func(detail client.Detail) bool {
		details[detail.Ticker] = detail
		return true
	})
	if err != nil {
		d.t.Fatalf("reading the details of job %s: %v", id, err)
	}
	return details
}

func (d *deck) results(id string) map[string]client.Result {
	d.t.Helper()
	results := map[string]client.Result{}
	err := client.All(d.t.Context(), url.Values{"limit": {"1000"}}, func(ctx context.Context, query url.Values) (client.Page[client.Result], error) {
		return d.client.Results(ctx, id, query)
	}, func(result client.Result) bool {
		if _, twice := results[result.Ticker]; twice {
			d.t.Errorf("job %s has two results for %s", id, result.Ticker)
		}
		results[result.Ticker] = result
		return true
	})
	if err != nil {
		d.t.Fatalf("reading the results of job %s: %v", id, err)
	}
	return results
}

// An embedded is `tapedeck up` on a data directory.
type embedded struct {
	deck
	dir string
	up  *processes.Program
}

// startUp starts `tapedeck up` and waits until it is ready.
func startUp(t *testing.T, market string, args ...string) *embedded {
	t.Helper()
	e := &embedded{dir: t.TempDir()}
	e.t, e.operator = t, []string{"--data", e.dir}
	e.tape = func() *nats.Conn {
		t.Helper()
		password, err := natsd.Password(e.dir, stream.RoleAPI)
		if err != nil {
			t.Fatal(err)
		}
		return connect(t, stream.ConnectConfig{InProcess: natsd.Dial(e.dir), Role: stream.RoleAPI, Password: password})
	}
	address := processes.FreeAddress(t)
	e.listen(address)
	args = append([]string{"up", "--market", market, "--data", e.dir, "--http", address}, args...)
	e.up = start(t, "up", "tapedeck", nil, args...)
	e.ready()
	return e
}

func connect(t *testing.T, cfg stream.ConnectConfig) *nats.Conn {
	t.Helper()
	nc, err := stream.Connect(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}
