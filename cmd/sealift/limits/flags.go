// Package limits is what commands that start containers have of control groups: the
// flags for limits and statistics, the groups of one start, and what is told at its end.
//
// Input: flags, files that they name, and facts of the host. Output: groups for a
// container to be started in, lines on the standard error and a file of statistics. What
// is limited how is runtime/cgroup's matter.
package limits

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/cgroup"
)

// Flags are those for limits and statistics.
type Flags struct {
	cpus, cpusetCPUs, cpusetMem string
	cpuShares, pids             int64
	memory, reservation         ui.Size
	swap                        swap
	noOOM                       bool
	weight                      uint16
	weightDevice                []string
	file, stats                 string
}

// swap is a flag's number of bytes, or -1 for no limit.
type swap struct{ bytes int64 }

// Set is pflag.Value's.
func (s *swap) Set(text string) error {
	if text == "-1" {
		*s = swap{-1}
		return nil
	}
	var n ui.Size
	err := n.Set(text)
	*s = swap{int64(n)}
	return err
}

// String is pflag.Value's.
func (s *swap) String() string {
	switch {
	case s.bytes == 0:
		return ""
	case s.bytes < 0:
		return "-1"
	}
	n := ui.Size(s.bytes)
	return n.String()
}

// Type is pflag.Value's.
func (*swap) Type() string { return "SIZE" }

// Add defines the flags.
func (f *Flags) Add(flags *pflag.FlagSet) {
	flags.StringVar(&f.cpus, "cpus", "", "use so many processors at most: a `number` such as 1.5")
	ui.Bind(flags, "cpus", "CPUS")
	flags.Int64Var(&f.cpuShares, "cpu-shares", 0, "weight when processors are short: a `number` from 2 to 262144; others have 1024")
	ui.Bind(flags, "cpu-shares", "CPU_SHARES")
	flags.StringVar(&f.cpusetCPUs, "cpuset-cpus", "", "use these processors only: a `list` such as 0-3,8")
	ui.Bind(flags, "cpuset-cpus", "CPUSET_CPUS")
	flags.StringVar(&f.cpusetMem, "cpuset-mems", "", "use memory of these nodes only: a `list` such as 0,1")
	ui.Bind(flags, "cpuset-mems", "CPUSET_MEMS")
	flags.Var(&f.memory, "memory", "use so much memory at most, such as 4G, files in memory included")
	ui.Bind(flags, "memory", "MEMORY")
	flags.Var(&f.reservation, "memory-reservation", "keep so much memory when it is short")
	ui.Bind(flags, "memory-reservation", "MEMORY_RESERVATION")
	flags.Var(&f.swap, "memory-swap", "use so much memory and swap space together at most; -1 is no limit")
	ui.Bind(flags, "memory-swap", "MEMORY_SWAP")
	flags.BoolVar(&f.noOOM, "oom-kill-disable", false, "have the payload wait for memory rather than be killed (version 1 of control groups only)")
	ui.Bind(flags, "oom-kill-disable", "OOM_KILL_DISABLE")
	flags.Int64Var(&f.pids, "pids-limit", 0, "have at most this `number` of processes and threads, about ten of the container's own included; -1 is no limit")
	ui.Bind(flags, "pids-limit", "PIDS_LIMIT")
	flags.Uint16Var(&f.weight, "blkio-weight", 0, "weight when block devices are busy: a `number` from 10 to 1000")
	ui.Bind(flags, "blkio-weight", "BLKIO_WEIGHT")
	flags.StringSliceVar(&f.weightDevice, "blkio-weight-device", nil, "the same of one device: `PATH:NUMBER`")
	ui.Bind(flags, "blkio-weight-device", "BLKIO_WEIGHT_DEVICE")
	flags.StringVar(&f.file, "apply-cgroups", "", "take limits from a `file` in Apptainer's format, TOML")
	ui.Bind(flags, "apply-cgroups", "APPLY_CGROUPS")
	flags.StringVar(&f.stats, "stats", "", "tell at the end what the container has used, in a `form`: text, or json:FILE")
	flags.Lookup("stats").NoOptDefVal = "text"
	ui.Bind(flags, "stats", "STATS")
}

// given returns the flags for single limits that are set. 0 is no limit, as without the
// flag.
func (f *Flags) given() (names []string) {
	for _, flag := range []struct {
		name string
		set  bool
	}{
		{"cpus", f.cpus != ""}, {"cpu-shares", f.cpuShares > 0}, {"cpuset-cpus", f.cpusetCPUs != ""}, {"cpuset-mems", f.cpusetMem != ""},
		{"memory", f.memory != 0}, {"memory-reservation", f.reservation != 0}, {"memory-swap", f.swap.bytes != 0},
		{"oom-kill-disable", f.noOOM}, {"pids-limit", f.pids != 0},
		{"blkio-weight", f.weight != 0}, {"blkio-weight-device", len(f.weightDevice) > 0},
	} {
		if flag.set {
			names = append(names, "--"+flag.name)
		}
	}
	return names
}

// Wanted says that control groups are asked for.
func (f *Flags) Wanted() bool { return f.file != "" || f.stats != "" || len(f.given()) > 0 }

// limits returns what the flags, or the file, limit.
func (f *Flags) limits() (cgroup.Limits, error) {
	if f.file == "" {
		return f.fromFlags()
	}
	if names := f.given(); len(names) > 0 {
		return cgroup.Limits{}, hint.New(fmt.Sprintf("--apply-cgroups and %s exclude each other", strings.Join(names, ", ")),
			"put all limits into %s, or leave that out", f.file)
	}
	text, err := os.ReadFile(f.file)
	if err != nil {
		return cgroup.Limits{}, hint.Wrap(err, "give --apply-cgroups a file with limits")
	}
	return cgroup.Parse(f.file, text)
}

func (f *Flags) fromFlags() (l cgroup.Limits, err error) {
	if f.cpus != "" {
		if err := l.CPU.Processors(f.cpus, runtime.NumCPU()); err != nil {
			return l, hint.Wrap(fmt.Errorf("--cpus: %w", err), "see --help")
		}
	}
	if f.cpuShares < -1 {
		return l, hint.New(fmt.Sprintf("--cpu-shares %d is none", f.cpuShares), "use 2 to 262144")
	}
	l.CPU.CPUs, l.CPU.Mems = f.cpusetCPUs, f.cpusetMem
	if f.cpuShares > 0 {
		l.CPU.Shares = uint64(f.cpuShares)
	}
	for _, m := range []struct {
		size int64
		to   **int64
	}{{int64(f.memory), &l.Memory.Limit}, {int64(f.reservation), &l.Memory.Reservation}, {f.swap.bytes, &l.Memory.Swap}} {
		if m.size != 0 {
			*m.to = &m.size
		}
	}
	l.Memory.DisableOOMKiller = f.noOOM
	l.Pids.Limit = f.pids
	l.BlockIO.Weight = f.weight
	for _, text := range f.weightDevice {
		d, err := weightOf(text)
		if err != nil {
			return l, hint.Wrap(fmt.Errorf("--blkio-weight-device %s: %w", text, err), "write it as /dev/sda:200")
		}
		l.BlockIO.WeightDevice = append(l.BlockIO.WeightDevice, d)
	}
	return l, nil
}

// weightOf reads PATH:NUMBER.
func weightOf(text string) (d cgroup.WeightDevice, err error) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return d, errors.New("no weight is given")
	}
	weight, err := strconv.ParseUint(text[i+1:], 10, 16)
	if err != nil || weight == 0 {
		return d, fmt.Errorf("%q is no weight", text[i+1:])
	}
	var st unix.Stat_t
	if err := unix.Stat(text[:i], &st); err != nil {
		return d, &os.PathError{Op: "look at", Path: text[:i], Err: err}
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFBLK && kind != unix.S_IFCHR {
		return d, errors.New("it is no device")
	}
	return cgroup.WeightDevice{
		Major: int64(unix.Major(uint64(st.Rdev))), Minor: int64(unix.Minor(uint64(st.Rdev))), Weight: uint16(weight),
	}, nil
}
