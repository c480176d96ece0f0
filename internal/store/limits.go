package store

// PoisonBodyBytes is how much of a poisoned event's body is kept: enough to
// see what it was, small enough that a flood of it does not fill the disk.
const PoisonBodyBytes = 4096

// MaxPage is the most rows that one page of a list holds: more than a screen
// of any client shows, and little enough to be read and sent in milliseconds.
const MaxPage = 1000
