package daemon

import (
	"context"
	"time"
)

// The budget of a stop: what its phases may take at the most, whatever each
// does, so that a program has ended within StopTime of being asked to. A phase
// that overruns is left behind, and the log says which: no guarantee depends on
// an orderly stop.
const (
	// StopTime is what a supervisor grants (ten seconds is Docker's own).
	StopTime = 10 * time.Second
	// OrderlyTime is how long the parts are stopped one after the other, those
	// that take work in first. A drain takes less, unless a server does not answer.
	OrderlyTime = 3500 * time.Millisecond
	// PartTime is what each part has at the least, from its own stop to the end
	// of the drain, even if those before it used OrderlyTime up: the bounds that
	// parts set themselves are shorter (internal/standalone.TestPartsFitTheirTime).
	PartTime = 3500 * time.Millisecond
	// DrainTime is how long all parts may take to stop.
	DrainTime = OrderlyTime + PartTime
	// CloseTime is how long closing may take what the parts worked with: an
	// embedded server writes the index of a large tape.
	CloseTime = 2 * time.Second
	// LastTime is when a program ends that has still not, see LastResort.
	LastTime = DrainTime + CloseTime + 500*time.Millisecond
)

// LastResort calls end when LastTime has passed since ctx ended: for what hears
// of no stop, such as a start that waits for a disk. A program that ends earlier
// never comes to it.
func LastResort(ctx context.Context, end func()) {
	context.AfterFunc(ctx, func() { time.AfterFunc(LastTime, end) })
}
