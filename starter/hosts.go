package main

import (
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
)

// host is one host path of an operation: an O_PATH descriptor, or the path of
// a directory in the session, or nothing when both are unset.
type host struct {
	fd      int
	session string
}

// hosts are the host paths of one operation. Those of Overlay are the upper
// and work directories and then the lower ones.
type hosts []host

// openHosts opens the host paths of op, as long as nothing is mounted.
func openHosts(op plan.Op) (hosts, error) {
	switch op.Verb {
	case plan.Session:
		return openAll([]string{op.Args[0]}, false)
	case plan.Bind:
		f, err := parseFlags(op.Args[2], flagTry, flagSession, flagOwn)
		if err != nil || f.has(flagSession) {
			return nil, err
		}
		return openAll([]string{op.Args[0]}, f.has(flagTry))
	case plan.Overlay:
		return openAll(append([]string{op.Args[2], op.Args[3]}, plan.SplitDirs(op.Args[1])...), false)
	}
	return nil, nil
}

func openAll(paths []string, try bool) (hosts, error) {
	h := make(hosts, len(paths))
	for i, p := range paths {
		h[i].fd = -1
		if p == "" {
			continue
		}
		if p[0] == '@' {
			h[i].session = p
			continue
		}
		var err error
		if h[i].fd, err = openHost(p); err != nil && !(try && missing(err)) {
			h.close()
			return nil, err
		}
	}
	return h, nil
}

// openHost opens path with O_PATH. O_DIRECTORY comes first because without it
// O_PATH does not make autofs mount what path names.
func openHost(path string) (int, error) {
	if !strings.HasPrefix(path, "/") {
		return -1, unix.EINVAL
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.ENOTDIR {
		fd, err = unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	}
	return fd, err
}

// missing says that the path of an operation with the flag try is not there.
func missing(err error) bool { return err == unix.ENOENT || err == unix.ENOTDIR }

// first returns the descriptor of an operation that has one host path, or -1.
func (h hosts) first() int {
	if len(h) == 0 {
		return -1
	}
	return h[0].fd
}

func (h hosts) close() {
	for _, p := range h {
		if p.fd >= 0 {
			unix.Close(p.fd)
		}
	}
}
