package e2e

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// family is a process and all that it has started, by number: names, as in
// /proc/PID/comm.
type family map[int]string

// descendants lists pid and the processes below it.
func descendants(t *testing.T, pid int) family {
	t.Helper()
	f := family{}
	var add func(pid int)
	add = func(pid int) {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil {
			return // it has ended
		}
		f[pid] = strings.TrimSpace(string(name))
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return
		}
		for _, task := range tasks {
			children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
			if err != nil {
				continue
			}
			for _, child := range bytes.Fields(children) {
				if n, err := strconv.Atoi(string(child)); err == nil {
					add(n)
				}
			}
		}
	}
	add(pid)
	return f
}

// find returns the process whose name begins with name; the longest match of
// sealift is not its starter. pasta's is passt, followed by the processor's kind.
func (f family) find(t *testing.T, name string) int {
	t.Helper()
	for pid, comm := range f {
		switch {
		case comm == name, name == "pasta" && strings.HasPrefix(comm, "pass"), len(name) == 5 && strings.HasPrefix(comm, name):
			return pid
		case name == "sealift-starter" && strings.HasPrefix(comm, "sealift-start"):
			return pid
		}
	}
	t.Fatalf("no %s among %v", name, f)
	return 0
}

// end waits until none of the processes is left, but those that whoever has
// adopted them has not reaped.
func (f family) end(t *testing.T, within time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		left := family{}
		for pid, comm := range f {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err != nil {
				continue
			}
			_, rest, _ := strings.Cut(string(stat), ") ")
			if !strings.HasPrefix(rest, "Z") {
				left[pid] = comm
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left: %v", left)
		}
	}
}
