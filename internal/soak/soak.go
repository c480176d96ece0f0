package soak

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/client"
)

// Config is what a soak needs. For, Client, Sampler and Verify do.
type Config struct {
	// For is how long it runs, its last jobs and the verification not counted.
	For time.Duration
	// Client reaches the deck's api.
	Client *client.Client
	// Sampler looks at the deck's processes.
	Sampler *Sampler
	// Verify folds the tape again and says how many rows of the database differ.
	Verify func(ctx context.Context) (differences int, err error)
	// Rate is how many tickers are submitted per second, all jobs together, as
	// long as the deck keeps up; 0 means what DefaultRate says.
	Rate float64
	// Samples is how many samples are taken; 0 means DefaultSamples.
	Samples int
	// Seed decides the mix of jobs.
	Seed uint64
	// Refuses says that the deck's market knows every ticker but those that begin
	// with Unknown. Then every outcome is held to that.
	Refuses bool
	// Show is told how far it has come, after each sample; nil shows nothing.
	Show func(Progress)
}

// DefaultRate is how many tickers per second a soak of that length submits: 100,
// or fewer where these would fill a tape.
func DefaultRate(length time.Duration) float64 {
	return min(usualRate, mostTickers/max(1, length.Seconds()))
}

// A Progress is how far a soak has come.
type Progress struct {
	Elapsed time.Duration
	Work    Work
	Events  float64 // that came onto the tape
	Lag     float64 // events that are not recorded yet
}

// A Report is what a soak found.
type Report struct {
	Asked   time.Duration `json:"asked_ns"`
	Elapsed time.Duration `json:"elapsed_ns"` // without the last jobs and the verification
	Work    Work          `json:"work"`
	Events  float64       `json:"events"` // that came onto the tape
	Series  []Verdict     `json:"series"`
	// Samples were taken, Missed were not because something did not answer.
	Samples int `json:"samples"`
	Missed  int `json:"missed"`
	// Differences is how many rows of the database are not what the tape says.
	Differences int `json:"differences"`
	// Wrongs is how much else went wrong, and Texts says of the first what.
	Wrongs int      `json:"wrongs"`
	Texts  []string `json:"texts"`
}

// ErrFailed says that a soak found something wrong; the text with it says what.
var ErrFailed = errors.New("the soak failed")

// Err is nil, or ErrFailed with what was found.
func (r Report) Err() error {
	var errs []error
	if r.Wrongs > 0 {
		errs = append(errs, fmt.Errorf("%d things went wrong, the first: %s", r.Wrongs, r.Texts[0]))
	}
	for _, name := range Growing(r.Series) {
		errs = append(errs, fmt.Errorf("it grows: %s", name))
	}
	if names := tooFew(r.Series); names != nil {
		errs = append(errs, fmt.Errorf("fewer than %d samples do not tell whether it grows: %s; soak for longer", FewestSamples, strings.Join(names, ", ")))
	}
	if float64(r.Missed) > maxMissed*float64(r.Samples+r.Missed) {
		errs = append(errs, fmt.Errorf("%d of %d samples could not be taken", r.Missed, r.Samples+r.Missed))
	}
	if r.Differences > 0 {
		errs = append(errs, fmt.Errorf("%d rows of the database are not what the tape says", r.Differences))
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrFailed, errors.Join(errs...))
}

// Run soaks until the time is over or ctx ends, which is a wanted end, lets the
// last jobs end, and verifies. Its error is that it could not: the first sample
// could not be taken, or nothing could be verified. What it found, good or bad,
// is in the report.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if cfg.Rate <= 0 {
		cfg.Rate = DefaultRate(cfg.For)
	}
	if cfg.Samples <= 0 {
		cfg.Samples = DefaultSamples
	}
	report := Report{Asked: cfg.For, Texts: []string{}}
	whole := context.WithoutCancel(ctx)
	if err := cfg.Sampler.Sample(whole); err != nil {
		return report, err
	}
	report.Samples = 1
	l := newLoad(cfg)
	loading, unload := context.WithCancel(whole)
	defer unload()
	following, unfollow := context.WithCancel(whole)
	defer unfollow()
	var working, listening sync.WaitGroup
	for i := range workers {
		working.Go(func() { l.work(loading, i) })
	}
	listening.Go(func() { l.listen(following) })

	began := time.Now()
	sample(ctx, cfg, l, &report)
	report.Elapsed = time.Since(began)
	unload()
	working.Wait() // each job and request has a limit of its own
	unfollow()
	listening.Wait()
	report.Work, report.Events = l.done(), cfg.Sampler.Events()
	cfg.Sampler.Coarse = report.Elapsed < Short
	report.Series = cfg.Sampler.Judge()
	report.Wrongs, report.Texts = l.wrongs()
	var err error
	if report.Differences, err = cfg.Verify(whole); err != nil {
		return report, fmt.Errorf("verifying: %w", err)
	}
	return report, nil
}

// sample takes samples until the time is over.
func sample(ctx context.Context, cfg Config, l *load, report *Report) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, cfg.For)
	defer cancel()
	next := time.NewTicker(max(shortestPause, cfg.For/time.Duration(cfg.Samples)))
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		if err := cfg.Sampler.Sample(context.WithoutCancel(ctx)); err != nil {
			report.Missed++
			continue
		}
		report.Samples++
		if cfg.Show != nil {
			cfg.Show(Progress{Elapsed: time.Since(began), Work: l.done(), Events: cfg.Sampler.Events(), Lag: cfg.Sampler.last.lag})
		}
	}
}
