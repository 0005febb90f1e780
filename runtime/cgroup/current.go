package cgroup

import (
	"path"
	"strings"
	"time"
)

// Made returns those of a process's groups that were made for a container alone.
func Made(groups []Group) (made []Group) {
	for _, g := range groups {
		if name := path.Base(g.Dir); g.Dir != "" && strings.HasPrefix(name, Prefix) && name != Leaf && !strings.HasSuffix(name, ".scope") {
			made = append(made, g)
		}
	}
	return made
}

// Current is what a container uses now. What is not known is nil.
type Current struct {
	// CPU is the processor time that it has had.
	CPU *time.Duration
	// Memory is in bytes, with page cache and files in memory, Limit how much it may have.
	Memory, Limit *int64
	// Read and Written are bytes of block devices.
	Read, Written *int64
	// PIDs counts processes and threads.
	PIDs *int64
}

// Observe adds what the files of a group of one version say; lookUp is that of
// Usage.Observe.
func (c *Current) Observe(version int, lookUp func(file string) (string, bool)) {
	read := func(file string) *int64 {
		text, _ := lookUp(file)
		return number64(text)
	}
	set(&c.PIDs, read("pids.current"))
	if version == 2 {
		set(&c.Memory, read("memory.current"))
		set(&c.Limit, read("memory.max"))
		text, _ := lookUp("cpu.stat")
		set(&c.CPU, duration(field(text, "usage_usec"), time.Microsecond))
	} else {
		set(&c.Memory, read("memory.usage_in_bytes"))
		if limit := read("memory.limit_in_bytes"); limit != nil && *limit < unlimited1 {
			c.Limit = limit
		}
		set(&c.CPU, duration(read("cpuacct.usage"), time.Nanosecond))
	}
	var u Usage
	u.Observe(version, lookUp)
	set(&c.Read, u.Read)
	set(&c.Written, u.Written)
}

// unlimited1 is about what version 1 has for no limit: the greatest number of pages.
const unlimited1 = 1 << 62

func duration(n *int64, unit time.Duration) *time.Duration {
	if n == nil {
		return nil
	}
	d := time.Duration(*n) * unit
	return &d
}
