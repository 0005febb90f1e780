// Package proc reads figures of running processes.
//
// Input: files of proc_pid(5). Output: bytes and times. It measures nothing itself.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Field returns a number of kB in a file of /proc in bytes.
func Field(path, name string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, name)
}

// ProcessorTime is what a running process has used, its ended children not
// included; proc_pid_stat(5).
func ProcessorTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the name in brackets, which may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * (time.Second / 100), err
}

// Memory returns the bytes that a running process has in memory, its share of
// what others have too, and the most that it ever had.
func Memory(pid int) (pss, peak int64, err error) {
	if pss, err = Field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:"); err != nil {
		return 0, 0, err
	}
	peak, err = Field(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:")
	return pss, peak, err
}
