package host

import (
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// memoryLimit returns how many bytes the caller's control groups allow it, 0
// for no limit. cgroups is the content of /proc/self/cgroup and read what reads
// other files, or nothing where there are none. A limit holds for everything below its group, so the smallest of all
// ancestors counts (cgroups(7)).
func memoryLimit(cgroups string, read func(name string) string) int64 {
	limit := int64(0)
	for line := range strings.Lines(cgroups) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		base, file := "", ""
		switch {
		case fields[1] == "": // version 2
			base, file = "/sys/fs/cgroup", "memory.max"
		case strings.Contains(","+fields[1]+",", ",memory,"):
			base, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for dir := path.Clean("/" + fields[2]); ; dir = path.Dir(dir) {
			if n := parseLimit(read(path.Join(base+dir, file))); n > 0 && (limit == 0 || n < limit) {
				limit = n
			}
			if dir == "/" {
				break
			}
		}
	}
	return limit
}

// binding returns a limit, or 0 where the machine has no more memory than that.
func binding(limit int64) int64 {
	var info unix.Sysinfo_t
	if limit > 0 && unix.Sysinfo(&info) == nil && uint64(limit) >= uint64(info.Totalram)*uint64(info.Unit) {
		return 0
	}
	return limit
}

// noLimit is what version 1 says for none, in whole pages: numbers from here on
// exceed every machine's memory.
const noLimit = 1 << 60

// parseLimit returns the number in the text of a file, 0 where there is none:
// "max", or no such file, which is so of the root group.
func parseLimit(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n >= noLimit {
		return 0
	}
	return n
}

// Room returns how many bytes of memory files may take: half of what is free, or of
// what control groups allow if that is less.
func (f *Facts) Room() int64 {
	room := available(read("/proc/meminfo"))
	if f.MemoryLimit > 0 {
		room = min(room, f.MemoryLimit)
	}
	return room / 2
}

// available returns what a meminfo (proc_meminfo(5)) says is available, in bytes.
func available(text string) int64 {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err == nil && n < noLimit>>10 {
				return n << 10
			}
		}
	}
	return 0
}
