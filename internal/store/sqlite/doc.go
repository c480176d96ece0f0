// Package sqlite keeps what was recorded in one SQLite file, without a server.
//
// # Files
//
// The address is a path. There stands a symbolic link to the file that holds
// the tables, PATH.g1 at first: its generation. A rebuild fills the next
// generation beside it and then turns the link, so that a file in WAL mode is
// never renamed while it is open. Readers look at the link before each read;
// a read that is under way ends on the generation on which it began. A plain
// file at PATH (a restored copy) is used as it is, until a rebuild.
//
// # Durability
//
// A commit is in the WAL when it returns, and survives the end of the process.
// synchronous is NORMAL: a power cut may take the newest commits back, but only
// whole ones and only from the end, and the checkpoint goes back with them, so
// that the recorder reads those events from the tape again.
//
// # Who waits
//
// In WAL mode no reader waits for the writer, nor the writer for readers. There
// is one writing connection. Another program that writes (sqlite3, a backup)
// makes it wait, for at most BusyTimeout; then the batch fails and is retried
// by the recorder. Readers open the file read-only; they need the right to
// write to its directory only while no recorder runs (for the WAL's index).
package sqlite
