package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/bench/proc"
)

// inUse is what processes use.
type inUse struct {
	pss, rss              int64
	processes, namespaces int
}

// payloadName is the name of payloads that sleep (proc_pid_comm(5)).
const payloadName = "sleep"

// below lists the processes below pid: their names by their numbers.
func below(pid int) map[int]string {
	all := map[int]string{}
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)) // none if it has ended
	for _, task := range tasks {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		for _, field := range bytes.Fields(text) {
			child, err := strconv.Atoi(string(field))
			if err != nil {
				continue
			}
			name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", child))
			if err != nil {
				continue
			}
			all[child] = strings.TrimSpace(string(name))
			for pid, name := range below(child) {
				all[pid] = name
			}
		}
	}
	return all
}

// payloads lists those below pid.
func payloads(pid int) (list []int) {
	for pid, name := range below(pid) {
		if name == payloadName {
			list = append(list, pid)
		}
	}
	return list
}

// measure sums what the processes below pid use that are no payloads, when as many
// payloads sleep as there are to be.
func measure(pid int) (u inUse, err error) {
	for deadline := time.Now().Add(10 * time.Second); len(payloads(pid)) < sleeping; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return u, fmt.Errorf("%d payloads sleep, not %d", len(payloads(pid)), sleeping)
		}
	}
	spaces := map[string]bool{}
	for pid, name := range below(pid) {
		space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", pid))
		if err != nil {
			return u, err
		}
		if name == payloadName {
			spaces[space] = true
			continue
		}
		pss, err := proc.Field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
		if errors.Is(err, unix.ESRCH) || errors.Is(err, fs.ErrNotExist) {
			continue // it has ended
		}
		if err != nil {
			return u, err
		}
		rss, err := proc.Field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Rss:")
		if err != nil {
			return u, err
		}
		u.pss, u.rss, u.processes = u.pss+pss, u.rss+rss, u.processes+1
	}
	u.namespaces = len(spaces)
	return u, nil
}

// readAll reads n bytes, for a minute at most.
func readAll(r *os.File, n int) error {
	if err := r.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	_, err := io.ReadFull(r, make([]byte, n))
	return err
}
