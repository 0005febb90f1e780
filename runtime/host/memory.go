package host

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// memoryLimit returns how many bytes the caller's control groups allow it, 0
// for no limit. cgroups is the content of /proc/self/cgroup and root the host's
// tree. A limit holds for everything below its group, so the smallest of all
// ancestors counts (cgroups(7)).
func memoryLimit(cgroups string, root fs.FS) int64 {
	limit := int64(0)
	for line := range strings.Lines(cgroups) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		base, file := "", ""
		switch {
		case fields[1] == "": // version 2
			base, file = "sys/fs/cgroup", "memory.max"
		case strings.Contains(","+fields[1]+",", ",memory,"):
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for dir := path.Clean("/" + fields[2]); ; dir = path.Dir(dir) {
			if n := readLimit(root, base+dir, file); n > 0 && (limit == 0 || n < limit) {
				limit = n
			}
			if dir == "/" {
				break
			}
		}
	}
	return limit
}

// noLimit is what version 1 says for none, in whole pages: numbers from here on
// exceed every machine's memory.
const noLimit = 1 << 60

// readLimit returns the number in a file, 0 where there is none: "max", or no
// such file, which is so of the root group.
func readLimit(root fs.FS, dir, file string) int64 {
	text, err := fs.ReadFile(root, path.Join(dir, file))
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n >= noLimit {
		return 0
	}
	return n
}
