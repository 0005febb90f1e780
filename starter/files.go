package main

import (
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
	"github.com/sealift/sealift/starter/resolve"
)

func parseMode(octal string) (uint32, error) {
	mode, err := strconv.ParseUint(octal, 8, 12)
	if err != nil {
		return 0, unix.EINVAL
	}
	return uint32(mode), nil
}

func (m *machine) mkdir(target, octal string) error {
	mode, err := parseMode(octal)
	if err != nil {
		return err
	}
	names := resolve.Components(target[min(1, len(target)):])
	if slices.Contains(names, "..") {
		return unix.EINVAL
	}
	base, err := m.base(target)
	if err != nil {
		return err
	}
	fd, err := m.makeDir(base, names, mode)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func (m *machine) mkfile(target, octal string) error {
	err := m.create(target, octal, "")
	if err == unix.EEXIST {
		return nil
	}
	return err
}

// write replaces what is there rather than writing into it: that may be a
// link, a FIFO or a second name of another file.
func (m *machine) write(target, octal, content string) error {
	octal, content = plan.Content(octal, content)
	return m.replacing(target, func() error { return m.create(target, octal, content) })
}

func (m *machine) symlink(target, text string) error {
	return m.replacing(target, func() error {
		dir, name, err := m.parent(target)
		if err != nil {
			return err
		}
		defer unix.Close(dir)
		return unix.Symlinkat(text, dir, name)
	})
}

// replacing runs create and, if target exists, runs it again without target.
func (m *machine) replacing(target string, create func() error) error {
	err := create()
	if err != unix.EEXIST {
		return err
	}
	dir, name, err := m.parent(target)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if err := unix.Unlinkat(dir, name, 0); err != nil {
		return err
	}
	return create()
}

// create makes a regular file that must not exist.
func (m *machine) create(target, octal, content string) error {
	mode, err := parseMode(octal)
	if err != nil {
		return err
	}
	dir, name, err := m.parent(target)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(dir, name, flags, mode)
	if err != nil {
		return err
	}
	for data := []byte(content); len(data) > 0; {
		n, err := unix.Write(fd, data)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			unix.Close(fd)
			return err
		}
		data = data[n:]
	}
	return unix.Close(fd)
}
