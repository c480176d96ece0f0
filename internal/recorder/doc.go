// Package recorder folds the tape into the database. It alone writes there.
//
//	project.go    the fold: what each event changes, shared by live recording, rebuild and verify
//	core.go       what is done next: lease, check of the tape, batches, announcements (a pure step function)
//	recorder.go   the driver: carries out what the core says
//	rebuild.go    the same fold from sequence 1 into shadow tables, then swapped in
//	verify.go     the same fold again, compared row by row
//	recover.go    the way past a lost or damaged tape
//
// Projection and Core have no goroutines, clock, random or I/O: the same
// inputs give the same outputs, so a simulation can drive them.
//
// The recorder reads the tape natively, in order and in batches, not through
// Watermill's Router, which starts a goroutine per message and loses order.
package recorder
