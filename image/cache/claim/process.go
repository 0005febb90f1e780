package claim

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// process tells one process from all others, on any host and at any time. Boot
// and start are empty where /proc does not tell.
type process struct {
	host  string
	boot  string // random, of the kernel that runs: proc_sys_kernel(5)
	space string // the namespace that pid is of: pid_namespaces(7)
	pid   int
	start string // when it was started: proc_pid_stat(5)
}

// self returns the calling process.
func self() process {
	host, err := os.Hostname()
	if err != nil || strings.ContainsAny(host, " \n") {
		host = "unknown"
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	p := process{host: host, boot: BootID(), space: space, pid: os.Getpid()}
	if start, alive, startErr := startOf(p.pid); err == nil && startErr == nil && alive {
		p.start = start
	}
	return p
}

// BootID returns what names this run of the kernel, empty if it cannot be told.
func BootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// startOf returns when a process started, in clock ticks since the boot, and
// whether it is still there to work.
func startOf(pid int) (start string, alive bool, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	const state, startTime = 0, 19 // counted from behind the name, which may hold anything
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) <= startTime {
		return "", false, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return fields[startTime], fields[state] != "Z" && fields[state] != "X", nil
}

// dead says whether p is known to have ended: it ran under the kernel and in
// the namespace of the caller, me, and is not there any more.
func (p process) dead(me process) bool {
	if p.start == "" || me.start == "" || p.boot == "" || p.boot != me.boot || p.space != me.space {
		return false
	}
	start, alive, err := startOf(p.pid)
	return err == nil && (!alive || start != p.start)
}
