package nse

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// PurposeRatio is what parsePurpose makes of a PURPOSE, as the notes say it, and
// the rupees of its dividends.
func PurposeRatio(purpose string) (texts []string, factor, paid float64, err error) {
	found, err := parsePurpose(purpose)
	factor = 1
	for _, a := range found {
		if a.kind == kindDividend {
			paid += a.paid
			continue
		}
		texts = append(texts, a.text)
		factor *= a.ratio.float()
	}
	return texts, factor, paid, err
}

// SimpleRatios are the ratios that a message may offer.
func SimpleRatios() map[string]float64 {
	all := map[string]float64{}
	for _, r := range slices.Concat(plainRatios, bonusRatios) {
		all[r.ratio.String()] = r.ratio.float()
	}
	return all
}

// Hasten makes the wait between two tries of a download short.
func Hasten(p *Provider) { p.queue.client.retry = time.Millisecond }

// Decode reads the text of a daily file and returns how many shares it keeps,
// how many rows are faulty, and whether an error names its line.
func Decode(text string, session time.Time) (kept, faulty int, err error) {
	d := newDecoder([]string{"EQ", "BE"})
	c, err := d.decode(text, dateOf(session))
	if err != nil {
		return 0, 0, err
	}
	for id := range c.at {
		if r := c.find(uint32(id)); r != nil {
			if p := c.prices(uint32(id)); p.open < 0 || r.line < 2 {
				return 0, 0, errors.New("a row that cannot be")
			}
			kept++
		}
	}
	return kept, len(c.bad) + len(c.broken), nil
}

// ParseActions reads the text of a file of corporate actions and returns the
// factors of all of its lines that can be read.
func ParseActions(text string) (factors []float64, err error) {
	all := actions{}
	if err := all.parse("file", text); err != nil {
		return nil, err
	}
	all.settle()
	for _, list := range all {
		for _, a := range list {
			if a.wrong == "" {
				factors = append(factors, a.ratio.float())
			}
		}
	}
	return factors, nil
}

// Line is the line that an error is about, 0 if it is about none.
func Line(err error) int {
	line, _ := lineOf(err)
	return line
}

// Refused makes one request that is answered with a 429 and returns the pause.
func Refused(ctx context.Context, p *Provider, session time.Time) time.Duration {
	_, err := p.queue.client.request(ctx, dateOf(session))
	if met, ok := errors.AsType[*market.Error](err); ok {
		return met.RetryAfter
	}
	return 0
}

// Symbols is how many symbols a provider has met.
func Symbols(p *Provider) int { return p.decoder.symbols.len() }

// Decide settles what it can of days that are on their way, some of which the
// server has no file of (doubtful), and returns how many are still open.
func Decide(cfg Config, open, doubtful []time.Time, newest time.Time) int {
	q := newQueue(&client{dir: cfg.Dir}, cfg)
	for _, day := range open {
		q.open[dateOf(day)] = &download{date: dateOf(day), done: make(chan struct{})}
	}
	for _, day := range doubtful {
		q.doubtful = append(q.doubtful, dateOf(day))
	}
	q.newest = dateOf(newest)
	q.decide()
	return len(q.open)
}
