package recorder

import (
	"context"
	"fmt"
	"strings"

	"github.com/tapedeck/tapedeck/internal/store"
)

// missing says what a fold of a tape that begins at first would lack of the
// tables that stand at seq, and what to do. It is ErrMissing.
func missing(ctx context.Context, rows store.Remainder, seq, first uint64) error {
	err := fmt.Errorf("%w: its first event is %d, events 1 to %d are gone", ErrMissing, first, first-1)
	if rows != nil {
		left, unread := rows.Remains(ctx, first)
		if unread != nil {
			return fmt.Errorf("%w; what is left could not be counted: %w", err, unread)
		}
		err = fmt.Errorf("%w; %s", err, remainsText(left, seq, first))
	}
	return fmt.Errorf("%w; nothing was changed: keep these tables and back them up, they are the only ones that hold the rest; "+
		"`tapedeck verify --accept-missing` compares the rows of the whole jobs, and `tapedeck rebuild --accept-missing` would make tables of those alone", err)
}

// remainsText says what of the tables the tape still holds.
func remainsText(left store.Remains, seq, first uint64) string {
	var text strings.Builder
	fmt.Fprintf(&text, "of %d jobs recorded up to %d, %d can be rebuilt whole", left.Jobs, seq, left.Whole)
	if left.FirstID != "" {
		fmt.Fprintf(&text, " (%s and all accepted after it)", left.FirstID)
	}
	fmt.Fprintf(&text, ", %d are cut", left.Cut)
	if len(left.CutIDs) > 0 {
		more := ""
		if left.Cut > len(left.CutIDs) {
			more = ", ..."
		}
		fmt.Fprintf(&text, " (%s%s: accepted before %d, with events after it)", strings.Join(left.CutIDs, ", "), more, first)
	}
	fmt.Fprintf(&text, ", %d are gone; of %d days of tickers, %d come from whole jobs", left.Gone(), left.Days, left.WholeDays)
	return text.String()
}
