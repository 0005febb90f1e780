package imagefs

import (
	"bytes"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// way reads n bytes at off of an open file, fewer only at its end.
type way func(fd int, off int64, n int) ([]byte, error)

// ways are those the kernel has for reading a file's bytes. O_DIRECT is
// another, of the open file.
var ways = map[string]way{
	"pread": pread, "read": seekAndRead, "preadv": preadv, "sendfile": sendfile, "splice": splice,
	"private mmap": mapped(unix.MAP_PRIVATE), "shared mmap": mapped(unix.MAP_SHARED),
}

func pread(fd int, off int64, n int) ([]byte, error) {
	b := make([]byte, n)
	got, err := unix.Pread(fd, b, off)
	return b[:max(got, 0)], err
}

func seekAndRead(fd int, off int64, n int) ([]byte, error) {
	if _, err := unix.Seek(fd, off, 0); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	got, err := unix.Read(fd, b)
	return b[:max(got, 0)], err
}

func preadv(fd int, off int64, n int) ([]byte, error) {
	b := make([]byte, n)
	got, err := unix.Preadv(fd, [][]byte{b[:n/3], b[n/3 : n/2], b[n/2:]}, off)
	return b[:max(got, 0)], err
}

// mapped reads through a mapping of whole pages, which are zero behind the end
// of the file.
func mapped(flags int) way {
	return func(fd int, off int64, n int) ([]byte, error) {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return nil, err
		}
		end := min(off+int64(n), st.Size)
		if off >= end {
			return nil, nil
		}
		page := int64(unix.Getpagesize())
		start, stop := off&^(page-1), (end+page-1)&^(page-1)
		m, err := unix.Mmap(fd, start, int(stop-start), unix.PROT_READ, flags)
		if err != nil {
			return nil, err
		}
		defer unix.Munmap(m)
		if behind := m[end-start:]; end == st.Size && len(bytes.Trim(behind, "\x00")) > 0 {
			return nil, fmt.Errorf("behind the end is mapped %.20q", behind)
		}
		return bytes.Clone(m[off-start : end-start]), nil
	}
}

func sendfile(fd int, off int64, n int) ([]byte, error) {
	to, err := unix.MemfdCreate("copy", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(to)
	total := 0
	for total < n {
		got, err := unix.Sendfile(to, fd, &off, n-total)
		if err != nil {
			return nil, err
		}
		if got == 0 {
			break
		}
		total += got
	}
	return pread(to, 0, total)
}

func splice(fd int, off int64, n int) ([]byte, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	var all []byte
	for len(all) < n {
		got, err := unix.Splice(fd, &off, pipe[1], nil, min(n-len(all), 32<<10), 0)
		if err != nil || got == 0 {
			return all, err
		}
		at := len(all)
		all = slices.Grow(all, int(got))[:at+int(got)]
		for rest := all[at:]; len(rest) > 0; {
			m, err := unix.Read(pipe[0], rest)
			if err != nil {
				return nil, err
			}
			rest = rest[m:]
		}
	}
	return all, nil
}

// checkRead holds what a way reads against the file's content.
func checkRead(read way, fd int, content []byte, off int64, n int) error {
	got, err := read(fd, off, n)
	if err != nil {
		return fmt.Errorf("%d bytes at %d: %w", n, off, err)
	}
	size := int64(len(content))
	want := content[min(off, size):min(off+int64(n), size)]
	if len(got) != len(want) {
		return fmt.Errorf("%d bytes at %d of %d: got %d", n, off, size, len(got))
	}
	if bytes.Equal(got, want) {
		return nil
	}
	i := 0
	for got[i] == want[i] {
		i++
	}
	return fmt.Errorf("%d bytes at %d of %d: byte %d is %#x, not %#x", n, off, size, i, got[i], want[i])
}
