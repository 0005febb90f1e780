package probe

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/runtime/doctor"
	"github.com/sealift/sealift/runtime/spec"
)

// subordinate maps the caller's ranges, where there are some.
func (t *trials) subordinate() doctor.SubIDs {
	s := doctor.SubIDs{UIDMap: mapProgram(t.host.NewUIDMap), GIDMap: mapProgram(t.host.NewGIDMap), Trial: doctor.Trial{Skipped: true}}
	if t.host.NewUIDMap == "" {
		s.Elsewhere = t.find("newuidmap")
	}
	s.Next = max(next(read("/etc/subuid")), next(read("/etc/subgid")))
	c, err := spec.Namespaces(spec.Request{Userns: true, Fakeroot: true}, &t.work)
	if err == nil && len(c.UIDs) > 1 {
		s.Trial = t.inside(c, t.inMemory())
	}
	return s
}

// mapProgram looks at what gives a program power.
func mapProgram(path string) (p doctor.MapProgram) {
	var st unix.Stat_t
	if path == "" || unix.Stat(path, &st) != nil {
		return p
	}
	p.SetUID = st.Mode&unix.S_ISUID != 0 && st.Uid == 0
	n, err := unix.Getxattr(path, "security.capability", nil)
	p.Caps = err == nil && n > 0
	var fs unix.Statfs_t
	p.NoSUID = unix.Statfs(path, &fs) == nil && fs.Flags&unix.ST_NOSUID != 0
	return p
}

// next returns the first id after all ranges of a file (subuid(5)).
func next(text string) (id uint32) {
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 {
			continue
		}
		first, err := strconv.ParseUint(f[1], 10, 32)
		count, err2 := strconv.ParseUint(f[2], 10, 32)
		if end := first + count; err == nil && err2 == nil && end < 1<<32 {
			id = max(id, uint32(end))
		}
	}
	return id
}
