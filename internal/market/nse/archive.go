package nse

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tapedeck/tapedeck/internal/market"
)

// A Calendar says when the exchange is open. calendar.Calendar is one.
type Calendar interface {
	// Sessions lists the dates of sessions from one date to another, both included.
	Sessions(from, to time.Time) []time.Time
	// LastClosed is the date of the newest session that had closed at an instant.
	LastClosed(at time.Time) time.Time
}

// archive is the folder of daily files. It is hot: each look sees the files as
// they are.
type archive struct {
	calendar Calendar
	history  int
	now      func() time.Time

	mu      sync.Mutex // guards what follows
	listed  time.Time  // when the folder was listed last
	changed time.Time  // the folder's own time then
	last    *snapshot
}

// A snapshot is the archive at one moment. It is never changed, so whoever
// works on one sees no day come or go.
type snapshot struct {
	days   []*day            // the served ones, oldest first
	holes  []int             // by day: the sessions right before it that have no file
	has    map[date]struct{} // every date with a file, also those not served
	absent map[date]note     // dates of which the exchange said that it has no file
	// actions are the names of the files of corporate actions, sorted.
	actions []string
}

// look returns the archive as it is now. An error is a *market.Error with
// CodeUnavailable or, for a folder beyond the limits, CodeBadData.
func (a *archive) look(root *os.Root) (*snapshot, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	info, err := root.Stat(".")
	if err != nil {
		return nil, unavailable("", fmt.Errorf("looking at the archive's folder: %w", err))
	}
	if a.last != nil && info.ModTime().Equal(a.changed) && now.Sub(a.listed) < relistEvery && !now.Before(a.listed) {
		return a.last, nil
	}
	next, err := a.list(root)
	if err != nil {
		return nil, err
	}
	a.last, a.listed, a.changed = next, now, info.ModTime()
	return next, nil
}

// list reads the folder; days whose files have not changed are kept.
func (a *archive) list(root *os.Root) (*snapshot, error) {
	entries, err := readDir(root)
	if err != nil {
		return nil, err
	}
	s := &snapshot{has: map[date]struct{}{}, absent: map[date]note{}}
	found := map[date]*day{}
	ranks := map[date]int{}
	for _, entry := range entries {
		if d, ok := absentDate(entry.Name()); ok {
			s.absent[d] = readNote(root, entry.Name())
		}
		if isActionFile(entry.Name()) {
			s.actions = append(s.actions, entry.Name())
		}
		d, rank, ok := fileDate(entry.Name())
		if was, twice := ranks[d]; !ok || twice && was <= rank {
			continue
		}
		info, err := root.Stat(entry.Name()) // follows links that stay within the folder
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		found[d], ranks[d] = &day{date: d, name: entry.Name(), info: info}, rank
		s.has[d] = struct{}{}
	}
	for _, d := range found {
		s.days = append(s.days, d)
	}
	slices.SortFunc(s.days, func(x, y *day) int { return cmp.Compare(x.date, y.date) })
	s.days = s.days[max(0, len(s.days)-a.history):]
	slices.Sort(s.actions)
	a.keepRead(s.days)
	a.findHoles(s)
	return s, nil
}

// keepRead puts the days of the last look back in place of new ones of the
// same file in the same state, so that nothing is read twice.
func (a *archive) keepRead(days []*day) {
	if a.last == nil {
		return
	}
	read := make(map[string]*day, len(a.last.days))
	for _, d := range a.last.days {
		read[d.name] = d
	}
	for i, d := range days {
		if was := read[d.name]; was != nil && same(was.info, d.info) {
			days[i] = was
		}
	}
}

// findHoles counts the sessions without a file, and ends the history at the
// newest hole that is too large to look past.
func (a *archive) findHoles(s *snapshot) {
	s.holes = make([]int, len(s.days))
	if len(s.days) == 0 {
		return
	}
	sessions := a.calendar.Sessions(s.days[0].date.time(), s.days[len(s.days)-1].date.time())
	at, cut := 0, 0
	for i, d := range s.days {
		for ; at < len(sessions) && dateOf(sessions[at]) < d.date; at++ {
			missing := dateOf(sessions[at])
			_, absent := s.absent[missing]
			if _, has := s.has[missing]; !has && !absent {
				s.holes[i]++
			}
		}
		if s.holes[i] > maxHole {
			cut = i
		}
	}
	s.days, s.holes = s.days[cut:], s.holes[cut:]
	s.holes[0] = 0 // there is nothing before it
}

func readDir(root *os.Root) ([]fs.DirEntry, error) {
	folder, err := root.Open(".")
	if err != nil {
		return nil, unavailable("", fmt.Errorf("opening the archive's folder: %w", err))
	}
	defer folder.Close()
	entries, err := folder.ReadDir(maxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) { // EOF: the folder is empty
		return nil, unavailable("", fmt.Errorf("listing the archive's folder: %w", err))
	}
	if len(entries) > maxFiles {
		return nil, &market.Error{Code: market.CodeBadData, Err: fmt.Errorf(
			"the archive's folder has more than %d entries; keep only the daily files in it", maxFiles)}
	}
	return entries, nil
}
