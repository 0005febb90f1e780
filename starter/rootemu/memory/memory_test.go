package memory

import (
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestMemory reads strings at the end of what is mapped.
func TestMemory(t *testing.T) {
	page := unix.Getpagesize()
	m, err := unix.Mmap(-1, 0, 3*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(m)
	if err := unix.Mprotect(m[2*page:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	pid, base := unix.Getpid(), uint64(uintptr(unsafe.Pointer(&m[0])))
	end := base + uint64(2*page)
	put := func(off int, s string) uint64 {
		copy(m[off:2*page], s)
		return base + uint64(off)
	}
	for _, c := range []struct {
		addr uint64
		want string
		err  error
	}{
		{put(2*page-6, "short\x00"), "short", nil},
		{put(page-3, "across\x00"), "across", nil},
		{put(0, "\x00"), "", nil},
		{put(10, strings.Repeat("x", 100)), "", unix.ENAMETOOLONG},
		{end, "", unix.EFAULT},
		{0, "", unix.EFAULT},
	} {
		if got, err := String(pid, c.addr, 64); got != c.want || err != c.err {
			t.Errorf("%q, %v; want %q, %v", got, err, c.want, c.err)
		}
	}
	put(2*page-3, "end")
	if got, err := String(pid, end-3, 64); err != unix.EFAULT {
		t.Errorf("without an end: %q, %v", got, err)
	}
	if err := Read(pid, end-2, make([]byte, 4)); err != unix.EFAULT {
		t.Errorf("half a read: %v", err)
	}
	if err := Write(pid, end-2, make([]byte, 4)); err != unix.EFAULT {
		t.Errorf("half a write: %v", err)
	}
	if err := Write(pid, base, []byte("written")); err != nil || string(m[:7]) != "written" {
		t.Errorf("%q, %v", m[:7], err)
	}
	if err := Write(pid, 0, nil); err != nil {
		t.Error(err)
	}
}
