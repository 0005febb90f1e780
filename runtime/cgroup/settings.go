package cgroup

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Setting is a limit as files of a control group.
type Setting struct {
	// Name is the limit's, for people: "memory limit".
	Name string
	// Controller enforces it, by its name in version 1.
	Controller string
	// V1 and V2 are what is written in either version: one of these, that whose file
	// there is. Without any, the version has no such limit.
	V1, V2 []Write
}

// Write is a text for a file.
type Write struct {
	File, Text string
	// Read is the file that must show it afterwards, empty where none can: the kernel
	// refuses what it does not take, but shows the rule nowhere.
	Read string
}

// settings turns limits into files. The order counts: memory comes before memory and
// swap space together, which version 1 wants no less than that.
func (l *Limits) settings() ([]Setting, error) {
	var list []Setting
	for _, part := range []func() ([]Setting, error){l.memory, l.cpu, l.pids, l.blockIO, l.others, l.devices, l.unified} {
		s, err := part()
		if err != nil {
			return nil, err
		}
		list = append(list, s...)
	}
	return list, nil
}

// shown is a text for a file that shows it.
func shown(file, text string) []Write { return []Write{{file, text, file}} }

// amount is a number of bytes or of processes, as both versions write it.
func amount(n int64) (v1, v2 string) {
	if n < 0 {
		return "-1", "max"
	}
	text := strconv.FormatInt(n, 10)
	return text, text
}

func (l *Limits) memory() ([]Setting, error) {
	m := &l.Memory
	var list []Setting
	for _, a := range []struct {
		name   string
		value  *int64
		v1, v2 string
	}{
		{"memory limit", m.Limit, "memory.limit_in_bytes", "memory.max"},
		{"memory reservation", m.Reservation, "memory.soft_limit_in_bytes", "memory.low"},
		{"limit of the kernel's memory", m.Kernel, "memory.kmem.limit_in_bytes", ""},
		{"limit of TCP's memory", m.KernelTCP, "memory.kmem.tcp.limit_in_bytes", ""},
	} {
		if a.value == nil || *a.value == 0 {
			continue
		}
		if *a.value < -1 {
			return nil, fmt.Errorf("%d is no %s", *a.value, a.name)
		}
		one, two := amount(*a.value)
		s := Setting{Name: a.name, Controller: "memory", V1: shown(a.v1, one)}
		if a.v2 != "" {
			s.V2 = shown(a.v2, two)
		}
		list = append(list, s)
	}
	swap, err := m.swap()
	if err != nil {
		return nil, err
	}
	list = append(list, swap...)
	if m.Swappiness != nil {
		list = append(list, Setting{Name: "swappiness", Controller: "memory", V1: shown("memory.swappiness", strconv.FormatUint(*m.Swappiness, 10))})
	}
	if m.DisableOOMKiller {
		list = append(list, Setting{Name: "switch of the OOM killer", Controller: "memory", V1: []Write{{"memory.oom_control", "1", "memory.oom_control"}}})
	}
	return list, nil
}

// swap is the limit of memory and swap space together, of which version 2 limits swap
// space alone.
func (m *Memory) swap() ([]Setting, error) {
	if m.Swap == nil || *m.Swap == 0 {
		return nil, nil
	}
	one, two := amount(*m.Swap)
	switch {
	case *m.Swap < -1:
		return nil, fmt.Errorf("%d is no limit of swap space", *m.Swap)
	case *m.Swap >= 0 && (m.Limit == nil || *m.Limit < 0 || *m.Swap < *m.Limit):
		return nil, hint.Wrap(errSwap, "give --memory too; --memory-swap is the sum, so that the same number allows no swap space")
	case *m.Swap >= 0:
		two = strconv.FormatInt(*m.Swap-*m.Limit, 10)
	}
	return []Setting{{
		Name: "limit of swap space", Controller: "memory",
		V1: shown("memory.memsw.limit_in_bytes", one), V2: shown("memory.swap.max", two),
	}}, nil
}

func (l *Limits) cpu() ([]Setting, error) {
	c := &l.CPU
	var list []Setting
	if c.Shares != 0 {
		if c.Shares < 2 || c.Shares > maxShares {
			return nil, fmt.Errorf("%d CPU shares are not between 2 and %d", c.Shares, maxShares)
		}
		list = append(list, Setting{
			Name: "CPU shares", Controller: "cpu",
			V1: shown("cpu.shares", strconv.FormatUint(c.Shares, 10)), V2: shown("cpu.weight", strconv.FormatUint(cpuWeight(c.Shares), 10)),
		})
	}
	list = append(list, c.bandwidth()...)
	if c.RealtimePeriod != nil {
		list = append(list, Setting{Name: "realtime period", Controller: "cpu", V1: shown("cpu.rt_period_us", strconv.FormatUint(*c.RealtimePeriod, 10))})
	}
	if c.RealtimeRuntime != nil {
		list = append(list, Setting{Name: "realtime share", Controller: "cpu", V1: shown("cpu.rt_runtime_us", strconv.FormatInt(*c.RealtimeRuntime, 10))})
	}
	for _, set := range []struct{ name, list, file string }{
		{"set of processors", c.CPUs, "cpuset.cpus"}, {"set of memory nodes", c.Mems, "cpuset.mems"},
	} {
		if set.list == "" {
			continue
		}
		if _, err := numbers(set.list); err != nil {
			return nil, err
		}
		// Version 2 takes processors that there are not, or are another group's, and
		// then uses others; the effective list tells.
		list = append(list, Setting{
			Name: set.name, Controller: "cpuset",
			V1: shown(set.file, set.list), V2: []Write{{set.file, set.list, set.file + ".effective"}},
		})
	}
	return list, nil
}

// bandwidth is the time that all processors together give in a period.
func (c *CPU) bandwidth() []Setting {
	if c.Quota == nil && c.Period == nil {
		return nil
	}
	quota, every := "max", strconv.Itoa(period)
	if c.Quota != nil && *c.Quota > 0 {
		quota = strconv.FormatInt(*c.Quota, 10)
	}
	var list []Setting
	if c.Period != nil {
		every = strconv.FormatUint(*c.Period, 10)
		list = append(list, Setting{Name: "CPU period", Controller: "cpu", V1: shown("cpu.cfs_period_us", every)})
	}
	one := quota
	if one == "max" {
		one = "-1"
	}
	list = append(list, Setting{Name: "CPU quota", Controller: "cpu", V1: shown("cpu.cfs_quota_us", one)})
	for i := range list {
		list[i].V2 = shown("cpu.max", quota+" "+every)
	}
	return list
}

// maxShares is what the kernel takes at most (MAX_SHARES).
const maxShares = 1 << 18

// cpuWeight turns shares of version 1 into a weight of version 2. Both have a default,
// which must remain one: of the parabola through (2, 1), (1024, 100) and (262144, 10000),
// with logarithms of both, this is the value.
func cpuWeight(shares uint64) uint64 {
	l := math.Log2(float64(shares))
	w := math.Pow(10, (l*l+125*l-126)/612)
	return min(max(uint64(math.Round(w)), 1), 10000)
}

// minPids is the least limit of processes. The starter, which is in the container's
// groups, is a Go program with about ten threads, and ends badly when it cannot have one.
const minPids = 16

func (l *Limits) pids() ([]Setting, error) {
	n := l.Pids.Limit
	switch {
	case n == 0:
		return nil, nil
	case n < -1:
		return nil, fmt.Errorf("%d is no limit of processes", n)
	case n > 0 && n < minPids:
		return nil, hint.New(fmt.Sprintf("a limit of %d processes is too low: about ten threads are the container's own", n), "allow %d or more", minPids)
	}
	_, text := amount(n) // version 1, too, says max
	return []Setting{{Name: "limit of processes", Controller: "pids", V1: shown("pids.max", text), V2: shown("pids.max", text)}}, nil
}

// others are the limits of controllers that have one kind each.
func (l *Limits) others() ([]Setting, error) {
	var list []Setting
	for _, h := range l.HugePages {
		if h.PageSize == "" || strings.ContainsAny(h.PageSize, "/\x00") {
			return nil, fmt.Errorf("%q is no size of huge pages such as 2MB", h.PageSize)
		}
		file, text := "hugetlb."+h.PageSize, strconv.FormatUint(h.Limit, 10)
		list = append(list, Setting{
			Name: "limit of huge pages of " + h.PageSize, Controller: "hugetlb",
			V1: shown(file+".limit_in_bytes", text), V2: shown(file+".max", text),
		})
	}
	if l.Network.ClassID != nil {
		list = append(list, Setting{Name: "network class", Controller: "net_cls", V1: shown("net_cls.classid", strconv.FormatUint(uint64(*l.Network.ClassID), 10))})
	}
	for _, p := range l.Network.Priorities {
		list = append(list, Setting{Name: "network priority", Controller: "net_prio", V1: shown("net_prio.ifpriomap", fmt.Sprintf("%s %d", p.Name, p.Priority))})
	}
	for _, device := range slices.Sorted(maps.Keys(l.RDMA)) {
		text := device
		if n := l.RDMA[device].Handles; n != nil {
			text += fmt.Sprintf(" hca_handle=%d", *n)
		}
		if n := l.RDMA[device].Objects; n != nil {
			text += fmt.Sprintf(" hca_object=%d", *n)
		}
		list = append(list, Setting{Name: "limit of RDMA device " + device, Controller: "rdma", V1: shown("rdma.max", text), V2: shown("rdma.max", text)})
	}
	return list, nil
}
