package store

// PoisonBodyBytes is how much of a poisoned event's body is kept: enough to
// see what it was, small enough that a flood of it does not fill the disk.
const PoisonBodyBytes = 4096

// MaxPage is the most rows that one page of a list holds: more than a screen
// of any client shows, and little enough to be read and sent in milliseconds.
const MaxPage = 1000

// MaxIndicatorsBytes is the most JSON that one result's indicators may be:
// twelve take about 4 KiB, and an event holds less than a mebibyte anyway. It
// keeps a damaged row from filling the memory.
const MaxIndicatorsBytes = 4 << 20

// MaxCursorBytes is the longest cursor that is looked at; ours stay below 200.
const MaxCursorBytes = 1024
