// Package mountinfo reads mount tables of the kernel.
//
// Input: the bytes of a /proc/PID/mountinfo. Output: mounts. It opens nothing.
package mountinfo

import (
	"strconv"
	"strings"
)

// Mount is a line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
type Mount struct {
	ID, Parent int
	Root       string // the directory of the file system that is mounted
	Point      string // where it is mounted
	Options    string // of this mount, joined by commas
	Type       string // of the file system
	Super      string // options of the file system, joined by commas
}

// Parse returns the mounts of a table. It passes over what is no line of one.
func Parse(table []byte) []Mount {
	var mounts []Mount
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) < 6 {
			continue
		}
		id, err := strconv.Atoi(f[0])
		parent, err2 := strconv.Atoi(f[1])
		if err != nil || err2 != nil {
			continue
		}
		m := Mount{ID: id, Parent: parent, Root: unescape(f[3]), Point: unescape(f[4]), Options: f[5]}
		if _, rest, found := strings.Cut(line, " - "); found {
			m.Type, rest, _ = strings.Cut(strings.TrimSpace(rest), " ")
			m.Super = rest[strings.LastIndexByte(rest, ' ')+1:]
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// Below returns the mount id and everything mounted below it. It uses up all.
func Below(all []Mount, id int) []Mount {
	in := map[int]bool{id: true}
	var sub []Mount
	for grown := true; grown; {
		grown = false
		for i := range all {
			c := &all[i]
			if c.ID >= 0 && (c.ID == id || in[c.Parent]) {
				in[c.ID], grown = true, true
				sub = append(sub, *c)
				c.ID = -1
			}
		}
	}
	return sub
}

// unescape undoes the octal escapes of mount tables: \040 is a space.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
