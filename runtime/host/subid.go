package host

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// subordinate fills in the caller's subordinate ids and the programs that can
// map them.
func (f *Facts) subordinate() {
	f.SubUIDs = ranges(read("/etc/subuid"), f.User.Name, itoa(f.UID))
	f.SubGIDs = ranges(read("/etc/subgid"), f.User.Name, itoa(f.UID))
	f.NewUIDMap = executable("/usr/bin/newuidmap", "/bin/newuidmap")
	f.NewGIDMap = executable("/usr/bin/newgidmap", "/bin/newgidmap")
}

// ranges returns the ranges that text, lines of subuid(5), gives to a user by
// name or by number. Ranges that leave the 32 bits of an id are ignored.
func ranges(text, name, id string) []Range {
	var rs []Range
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 || f[0] == "" || (f[0] != name && f[0] != id) {
			continue
		}
		first, err1 := strconv.ParseUint(f[1], 10, 32)
		count, err2 := strconv.ParseUint(f[2], 10, 32)
		if err1 == nil && err2 == nil && count > 0 && first+count <= 1<<32-1 {
			rs = append(rs, Range{uint32(first), uint32(count)})
		}
	}
	return rs
}

// executable returns the first of paths that the caller may execute.
func executable(paths ...string) string {
	for _, p := range paths {
		if unix.Access(p, unix.X_OK) == nil {
			return p
		}
	}
	return ""
}
