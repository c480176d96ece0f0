// Package power cuts the power of the embedded product and fills its disk: the
// data directory of `tapedeck up` lies on an ext4 file system of its own, in a
// file on a loop device, which is shut down in the middle of work without what
// was not synced (FS_IOC_SHUTDOWN), mounted again and looked at. It holds only
// tests, for Linux and root; elsewhere they are skipped and say so.
//
//	go test ./internal/e2e/power -v -cuts 100 -seed 7 -timeout 1h
//
// The test shows that it would see a loss: with -relaxed it runs a tapedeck
// whose server syncs now and then instead of always, and wants losses.
package power
