package cgroup

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Usage is what a container has used. What is not known is nil.
type Usage struct {
	// MemoryPeak is in bytes, with page cache and files in memory.
	MemoryPeak *int64 `json:"memory_peak_bytes"`
	// User and System are processor time in seconds.
	User   *float64 `json:"cpu_user_seconds"`
	System *float64 `json:"cpu_system_seconds"`
	// Read and Written are bytes of block devices.
	Read    *int64 `json:"io_read_bytes"`
	Written *int64 `json:"io_written_bytes"`
	// PidsPeak is the most processes and threads at one time.
	PidsPeak *int64 `json:"pids_peak"`
	// Kills counts what was killed for lack of memory.
	Kills int64 `json:"oom_kills"`
	// Wall is the time from start to end, in seconds.
	Wall float64 `json:"wall_seconds"`
	// Missing says what the numbers lack, empty for nothing.
	Missing string `json:"missing,omitempty"`
}

// Observe adds what the files of a group of one version say; lookUp returns a file's text,
// or false where there is none.
func (u *Usage) Observe(version int, lookUp func(file string) (string, bool)) {
	read := func(file string) string {
		text, _ := lookUp(file)
		return text
	}
	const rates1 = "blkio.throttle.io_service_bytes_recursive"
	for _, file := range []string{rates1, "io.stat"} {
		if _, ok := lookUp(file); ok { // no line is nothing read
			u.Read, u.Written = new(int64), new(int64)
		}
	}
	if version == 2 {
		u.version2(read)
		return
	}
	set(&u.MemoryPeak, number64(read("memory.max_usage_in_bytes")))
	set(&u.PidsPeak, number64(read("pids.peak")))
	if n := field(read("memory.oom_control"), "oom_kill"); n != nil {
		u.Kills += *n
	}
	set(&u.User, seconds(number64(read("cpuacct.usage_user")), time.Nanosecond))
	set(&u.System, seconds(number64(read("cpuacct.usage_sys")), time.Nanosecond))
	for line := range strings.Lines(read(rates1)) {
		f := strings.Fields(line) // 8:0 Read 4096
		if len(f) != 3 {
			continue
		}
		switch f[1] {
		case "Read":
			add(u.Read, number64(f[2]))
		case "Write":
			add(u.Written, number64(f[2]))
		}
	}
}

func (u *Usage) version2(read func(file string) string) {
	set(&u.MemoryPeak, number64(read("memory.peak")))
	set(&u.PidsPeak, number64(read("pids.peak")))
	if n := field(read("memory.events"), "oom_kill"); n != nil {
		u.Kills += *n
	}
	cpu := read("cpu.stat")
	set(&u.User, seconds(field(cpu, "user_usec"), time.Microsecond))
	set(&u.System, seconds(field(cpu, "system_usec"), time.Microsecond))
	for line := range strings.Lines(read("io.stat")) {
		for word := range strings.FieldsSeq(line) {
			if n, ok := strings.CutPrefix(word, "rbytes="); ok {
				add(u.Read, number64(n))
			} else if n, ok := strings.CutPrefix(word, "wbytes="); ok {
				add(u.Written, number64(n))
			}
		}
	}
}

// set gives a number a value that is known.
func set[T any](to **T, n *T) {
	if n != nil {
		*to = n
	}
}

// add adds to a number that there is what is known.
func add(to, n *int64) {
	if to != nil && n != nil {
		*to += *n
	}
}

func number64(text string) *int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// field returns the number after a name, of lines that are both.
func field(text, name string) *int64 {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			return number64(f[1])
		}
	}
	return nil
}

func seconds(n *int64, unit time.Duration) *float64 {
	if n == nil {
		return nil
	}
	s := (time.Duration(*n) * unit).Seconds()
	return &s
}

// Killed returns a line about processes that were killed for lack of memory, empty where
// none were: the whole container, or some of it. limit is the container's own in bytes,
// 0 for none, and size spells a number of bytes.
func (u *Usage) Killed(limit int64, whole bool, size func(int64) string) string {
	if u.Kills == 0 {
		return ""
	}
	who, peak := "a process of the container was killed", ""
	if whole {
		who = "the container was killed"
	}
	if u.MemoryPeak != nil {
		peak = fmt.Sprintf(" (peak %s)", size(*u.MemoryPeak))
	}
	// A peak that is far below the limit is none that the limit ended.
	if limit > 0 && (u.MemoryPeak == nil || *u.MemoryPeak >= limit-limit/8) {
		return fmt.Sprintf("%s: it used up its memory limit of %s%s; give it more with --memory, or use fewer processes or smaller pieces", who, size(limit), peak)
	}
	return fmt.Sprintf("%s: memory ran out above it, in the job or the machine%s; ask the batch system for more", who, peak)
}

// Text returns the numbers in lines, for people.
func (u *Usage) Text(size func(int64) string) string {
	bytes := func(n *int64) string {
		if n == nil {
			return "unknown"
		}
		return size(*n)
	}
	time := func(s *float64) string {
		if s == nil {
			return "unknown"
		}
		return fmt.Sprintf("%.2f s", *s)
	}
	count := "unknown"
	if u.PidsPeak != nil {
		count = strconv.FormatInt(*u.PidsPeak, 10)
	}
	text := fmt.Sprintf("peak memory     %s\nprocessor time  %s user, %s system\ninput, output   %s read, %s written\n",
		bytes(u.MemoryPeak), time(u.User), time(u.System), bytes(u.Read), bytes(u.Written))
	return text + fmt.Sprintf("peak processes  %s\nwall time       %.2f s\n", count, u.Wall)
}
