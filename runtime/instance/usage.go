package instance

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what the processes of a container use.
type Usage struct {
	// CPU is the processor time that they and their ended children have had.
	CPU time.Duration `json:"cpu_ns"`
	// Memory is how many bytes of memory they have, and Limit how many they can have.
	Memory uint64 `json:"memory"`
	Limit  uint64 `json:"memory_limit"`
	// Read and Written are bytes of block devices.
	Read    uint64 `json:"block_read"`
	Written uint64 `json:"block_written"`
	PIDs    int    `json:"pids"`
}

// Meter measures what a container uses.
type Meter interface {
	Usage() (Usage, error)
}

// Processes measures the processes of the PID namespace of init one by one, where no
// control group does so for all. What processes share counts for each.
type Processes struct {
	Init Process
	// Limit is Usage.Limit.
	Limit uint64
}

// tick is the unit of processor times in /proc: USER_HZ, which is 100 everywhere
// (proc_pid_stat(5)).
const tick = time.Second / 100

// Usage looks at every process there is.
func (p Processes) Usage() (Usage, error) {
	space, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(p.Init.PID), "ns/pid"))
	if err != nil {
		return Usage{}, fmt.Errorf("look at process %d: %w", p.Init.PID, err)
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return Usage{}, err
	}
	u := Usage{Limit: p.Limit}
	for _, dir := range dirs {
		if got, err := os.Readlink(filepath.Join(dir, "ns/pid")); err != nil || got != space {
			continue // it has ended, or is somebody else's
		}
		u.add(dir)
	}
	return u, nil
}

// add adds the process of a directory of /proc. What is missing has ended meanwhile.
func (u *Usage) add(dir string) {
	pid, _ := strconv.Atoi(filepath.Base(dir))
	s, err := readStat(pid)
	if err != nil {
		return
	}
	u.PIDs++
	u.CPU += time.Duration(s.ticks) * tick
	if text, err := os.ReadFile(filepath.Join(dir, "statm")); err == nil {
		if f := strings.Fields(string(text)); len(f) > 1 {
			pages, _ := strconv.ParseUint(f[1], 10, 64)
			u.Memory += pages * uint64(os.Getpagesize())
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "io"))
	if err != nil {
		return
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, _ := strconv.ParseUint(value, 10, 64)
		switch key {
		case "read_bytes":
			u.Read += n
		case "write_bytes":
			u.Written += n
		}
	}
}
