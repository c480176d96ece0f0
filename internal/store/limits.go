package store

// PoisonBodyBytes is how much of a poisoned event's body is kept: enough to
// see what it was, small enough that a flood of it does not fill the disk.
const PoisonBodyBytes = 4096

// MaxPage is the most rows that one page of a list holds: more than a screen
// of any client shows, and little enough to be read and sent in milliseconds.
const MaxPage = 1000

// MaxPackedBytes is the most JSON that one packed column may hold: twelve
// indicators take about 4 KiB, the trades of twenty years 700, and an event holds
// less than a mebibyte anyway. It keeps a damaged row from filling the memory.
const MaxPackedBytes = 4 << 20

// MaxCursorBytes is the longest cursor that is looked at; ours stay below 200.
const MaxCursorBytes = 1024
