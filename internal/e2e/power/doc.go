// Package power cuts the power of the embedded product and fills its disk: the
// data directory of `tapedeck up` lies on an ext4 file system of its own, in a
// file on a loop device, which is shut down in the middle of work without what
// was not synced (FS_IOC_SHUTDOWN), mounted again and looked at. It holds only
// tests, for Linux and root; elsewhere they are skipped and say so.
//
//	go test ./internal/e2e/power -v -cuts 100 -seed 7 -full -relaxed -timeout 1h
//
// Without flags it does nothing. -cuts 3 makes three cuts and fills one disk;
// -run 'TestPower$' leaves the disk out. After the last cut of a disk what the
// analyzer had in hand comes again after 3 s instead of 30 s, unless -shipped.
// TestPower prints one line that begins with its seed and ends with "unlike" if
// nothing was wrong, so that many runs can be gathered in a file. -full fills
// more disks. -relaxed shows that a loss would be seen: it builds programs
// whose tape is synced now and then instead of always, and wants losses.
package power
