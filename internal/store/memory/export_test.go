package memory

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/tapedeck/tapedeck/internal/store"
)

// ErrNotModelled says that a statement has no meaning without SQL.
var ErrNotModelled = errors.New("not modelled in memory")

var (
	oneDetail    = regexp.MustCompile(`^UPDATE details SET attempts = attempts \+ 1 WHERE job_id = '([^']*)' AND ticker = '([^']*)'$`)
	newMigration = regexp.MustCompile(`^INSERT INTO migrations .* VALUES \((\d+), '([a-z_0-9]*)', (\d+), 0\)$`)
)

// Exec does behind the store's back what the suite's statements do there.
func (s *Store) Exec(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.live
	switch {
	case text == `UPDATE checkpoint SET epoch = epoch + 1`:
		p.epoch++
	case text == `UPDATE checkpoint SET epoch = epoch + 1, owner = 'thief'`:
		p.epoch, p.owner = p.epoch+1, "thief"
	case text == `UPDATE checkpoint SET epoch = epoch - 1, owner = 'thief'`:
		p.epoch, p.owner = p.epoch-1, "thief"
	case text == `UPDATE checkpoint SET lease_until = 0`:
		p.until = 0
	case text == `DELETE FROM poison`:
		clear(p.tables.poison)
		p.tables.poisoned = nil
	case text == `UPDATE details SET attempts = attempts + 7`:
		for _, j := range p.tables.jobs {
			for _, o := range j.order {
				o.attempt(7)
			}
		}
	case oneDetail.MatchString(text):
		key := oneDetail.FindStringSubmatch(text)
		p.tables.jobs[key[1]].outcomes[key[2]].attempt(1)
	case newMigration.MatchString(text):
		var m store.Migrated
		row := newMigration.FindStringSubmatch(text)
		if _, err := fmt.Sscan(row[1]+" "+row[2]+" "+row[3], &m.Number, &m.Name, &m.MinProgram); err != nil {
			return err
		}
		p.migrations = append(p.migrations, m)
	case strings.HasPrefix(text, `UPDATE recoveries SET reason = NULL WHERE old_seq = 15 AND old_anchor <> ''`):
		for _, r := range p.recoveries {
			if r.old.Seq == 15 && r.old.Anchor != "" && r.new.Seq == 3 && r.new.Anchor == "new" && r.reason == "the disk was lost: 'quote'" {
				return errors.New("a reason cannot be NULL")
			}
		}
	default:
		return fmt.Errorf("%w: %s", ErrNotModelled, text)
	}
	return nil
}

func (o *outcome) attempt(more int) {
	row := o.detail.row
	row.Attempts += more
	o.detail = &stored[store.Detail]{row, store.DetailValues(nil, &row)}
}
