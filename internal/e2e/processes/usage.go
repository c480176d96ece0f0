package processes

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the kernel's CPU times: USER_HZ is 100 on every
// architecture that Go runs on.
const tick = 10 * time.Millisecond

// A Usage is what a process has used of the machine, as Linux counts it.
type Usage struct {
	CPU  time.Duration // user and system, of children that ended too
	Peak int64         // the most resident memory since ResetPeak, in bytes
}

// UsageOf reads what a process has used. It is an error where there is no
// /proc, or no such process.
func UsageOf(pid int) (Usage, error) {
	stat, err := fields(pid)
	if err != nil {
		return Usage{}, err
	}
	var ticks int64
	for _, i := range []int{utime, stime, cutime, cstime} {
		n, err := strconv.ParseInt(stat[i], 10, 64)
		if err != nil {
			return Usage{}, fmt.Errorf("reading the CPU time of process %d: %w", pid, err)
		}
		ticks += n
	}
	peak, err := kilobytes(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:")
	return Usage{CPU: time.Duration(ticks) * tick, Peak: peak}, err
}

// ResetPeak makes the resident memory of now the peak of a process.
func ResetPeak(pid int) error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		return fmt.Errorf("resetting the peak memory of process %d: %w", pid, err)
	}
	return nil
}

// Share is the memory of a process with pages that several share divided by
// their number: what to add up for a family of processes, in bytes.
func Share(pid int) (int64, error) {
	return kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
}

// Resident is the memory of a process that is in RAM now, in bytes.
func Resident(pid int) (int64, error) {
	return kilobytes(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:")
}

// Descriptors is how many files and connections a process has open.
func Descriptors(pid int) (int, error) {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, fmt.Errorf("counting descriptors: %w", err)
	}
	return len(open), nil
}

// Children are the processes that a process has started and that still run.
func Children(pid int) ([]int, error) {
	list, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var children []int
	for _, dir := range list {
		child, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		stat, err := fields(child)
		if err == nil && stat[ppid] == strconv.Itoa(pid) {
			children = append(children, child)
		}
	}
	return children, nil
}

// Parent is the process that started a process.
func Parent(pid int) (int, error) {
	stat, err := fields(pid)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(stat[ppid])
}

// Busy is the CPU time that everything on the machine has used since it
// started; its processors together could have used a multiple of the time.
func Busy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("reading the machine's CPU time: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var ticks int64
	for i, field := range strings.Fields(line)[1:] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading the machine's CPU time: %w", err)
		}
		if i != 3 && i != 4 && i < 8 { // idle, iowait; guest time is in user already
			ticks += n
		}
	}
	return time.Duration(ticks) * tick, nil
}

// The places in /proc/PID/stat behind the name, see proc_pid_stat(5).
const (
	ppid   = 1
	utime  = 11
	stime  = 12
	cutime = 13
	cstime = 14
)

func fields(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, fmt.Errorf("reading the state of process %d: %w", pid, err)
	}
	list := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // the name may hold anything
	if len(list) <= cstime {
		return nil, fmt.Errorf("reading the state of process %d: %q", pid, text)
	}
	return list, nil
}

func kilobytes(path, key string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) >= 2 && words[0] == key {
			n, err := strconv.ParseInt(words[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading %s: %w", path, err)
			}
			return n << 10, nil
		}
	}
	return 0, fmt.Errorf("reading %s: no %s", path, key)
}
