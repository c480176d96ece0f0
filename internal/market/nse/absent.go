package nse

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// A note is a file of the archive that says that the exchange has no file of a
// date. Only sessions of the calendar are asked for, so that one such answer is
// not believed: the note expires a few times, each time later, and whenever the
// previous closes of the day after speak of a session between.
type note struct {
	asked int       // how often the exchange said so
	last  time.Time // when it did last; zero: by hand
}

// absentWaits are how long after each answer a date is asked for again; the next
// answer is believed. A constant table.
var absentWaits = [...]time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

// byHand is a note that no program wrote: its word is believed.
var byHand = note{asked: len(absentWaits) + 1}

// final reports whether the exchange's word is believed.
func (n note) final() bool { return n.asked > len(absentWaits) }

// stands reports whether a note's date is not to be asked for yet; skipped is
// whether the previous closes show that its session took place.
func (n note) stands(now time.Time, skipped bool) bool {
	since := now.Sub(n.last)
	switch {
	case since < 0: // the clock was set back
		return false
	case skipped:
		return since < min(skippedEvery<<min(n.asked-1, 8), maxSkippedEvery)
	case n.final():
		return true
	}
	return since < absentWaits[n.asked-1]
}

var (
	noteTime  = regexp.MustCompile(`\bon ([0-9TZ:-]+)[,;]`)
	noteAsked = regexp.MustCompile(`\basked ([1-9][0-9]{0,5}) times`)
)

func (n note) String() string {
	return fmt.Sprintf("the exchange had no file of this date on %s, asked %d times; delete this to ask again\n", n.last.UTC().Format(time.RFC3339), n.asked)
}

// parseNote reads what String wrote, also the date alone that was written once.
func parseNote(text string) note {
	when := noteTime.FindStringSubmatch(text)
	if when == nil {
		return byHand
	}
	n := note{asked: 1}
	var err error
	if n.last, err = time.Parse(time.RFC3339, when[1]); err != nil {
		if n.last, err = time.Parse(time.DateOnly, when[1]); err != nil {
			return byHand
		}
	}
	if times := noteAsked.FindStringSubmatch(text); times != nil {
		n.asked, _ = strconv.Atoi(times[1]) // it is a small number
	}
	return n
}

// readNote reads a note; what cannot be read is believed.
func readNote(root *os.Root, name string) note {
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a named pipe would wait for ever
	if err != nil {
		return byHand
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxNoteBytes))
	if err != nil {
		return byHand
	}
	return parseNote(string(text))
}

// doubted are the sessions that a note says have no file and that are to be
// asked for again, the oldest first.
func (v *view) doubted(sessions []time.Time, now time.Time) []date {
	var all []date
	for _, session := range sessions {
		d := dateOf(session)
		n, noted := v.absent[d]
		if _, has := v.has[d]; !noted || has {
			continue
		}
		if !n.stands(now, false) || !n.stands(now, true) && v.skipped(d) {
			all = append(all, d)
		}
	}
	return all
}

// skipped reports whether there was a session between the days before and after
// a date without a file, by the previous closes of the latter.
func (v *view) skipped(d date) bool {
	i, _ := slices.BinarySearchFunc(v.days, d, func(x *day, d date) int { return cmp.Compare(x.date, d) })
	if i == 0 || i == len(v.days) {
		return false
	}
	c, err := v.load(i)
	return err == nil && v.relation(i, c).skips
}

// markAbsent notes in the archive that the exchange has no file of a date.
func (q *queue) markAbsent(d date) error {
	q.missing[d] = true
	run := 0
	for _, session := range q.calendar.Sessions(d.time().AddDate(0, 0, -2*daysFor(maxAbsentRun)), d.time().AddDate(0, 0, 2*daysFor(maxAbsentRun))) {
		if _, noted := q.noted[dateOf(session)]; noted || q.missing[dateOf(session)] {
			run++
		} else if run = 0; dateOf(session) > d {
			break
		}
		if run > maxAbsentRun {
			return unavailable(absentName(d), fmt.Errorf("the exchange has no files of more than %d sessions in a row, which are no holidays; "+
				"ask for a shorter history, or put the files into the archive's folder by hand", maxAbsentRun))
		}
	}
	n := note{asked: q.noted[d].asked + 1, last: q.now()}
	if err := writeFile(q.client.dir, absentName(d), []byte(n.String())); err != nil {
		return unavailable(absentName(d), fmt.Errorf("noting a date without a session: %w", err))
	}
	q.open[d].again = !n.final()
	if n.final() {
		q.log.Warn("the exchange has no file of a session of the calendar: taken for a day without one", "date", d.String(), "asked", n.asked)
	} else {
		q.log.Warn("the exchange has no file of a session of the calendar; it is asked for again", "date", d.String(), "asked", n.asked,
			"after", n.last.Add(absentWaits[n.asked-1]).UTC().Format(time.RFC3339))
	}
	return nil
}

// forget removes the note of a date whose file has come after all.
func (q *queue) forget(d date) {
	delete(q.missing, d)
	if _, noted := q.noted[d]; !noted {
		return
	}
	if err := os.Remove(filepath.Join(q.client.dir, absentName(d))); err != nil && !errors.Is(err, os.ErrNotExist) {
		q.log.Warn("the note of a day whose file has come could not be removed", "date", d.String(), "err", err) // it has no effect beside the file
	}
}
