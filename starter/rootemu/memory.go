package rootemu

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// native is the byte order of the architectures with a list of calls.
var native = binary.LittleEndian

const pageSize = 4096 // no architecture has smaller ones

// readMemory fills b from the memory of a process at addr.
func readMemory(pid int, addr uint64, b []byte) error {
	n, err := copyIn(pid, b, unix.RemoteIovec{Base: uintptr(addr), Len: len(b)})
	if err == nil && n < len(b) {
		return unix.EFAULT
	}
	return err
}

// copyIn reads as much as there is. Whether a page is missing shows when it is
// the first.
func copyIn(pid int, b []byte, from ...unix.RemoteIovec) (int, error) {
	local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
	return unix.ProcessVMReadv(pid, local, from, 0)
}

// writeMemory copies b into the memory of a process at addr.
func writeMemory(pid int, addr uint64, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
	remote := []unix.RemoteIovec{{Base: uintptr(addr), Len: len(b)}}
	n, err := unix.ProcessVMWritev(pid, local, remote, 0)
	if err == nil && n < len(b) {
		return unix.EFAULT
	}
	return err
}

// readString reads a string that ends with a NUL and has less than max bytes:
// more are ENAMETOOLONG.
func readString(pid int, addr uint64, max int) (string, error) {
	b := make([]byte, max)
	// A transfer that reaches a missing page ends with the part before it.
	first := min(pageSize-int(addr%pageSize), max)
	from := []unix.RemoteIovec{{Base: uintptr(addr), Len: first}}
	if first < max {
		from = append(from, unix.RemoteIovec{Base: uintptr(addr) + uintptr(first), Len: max - first})
	}
	n, err := copyIn(pid, b, from...)
	if err != nil {
		return "", err
	}
	end := bytes.IndexByte(b[:n], 0)
	switch {
	case end >= 0:
		return string(b[:end]), nil
	case n < max:
		return "", unix.EFAULT
	}
	return "", unix.ENAMETOOLONG
}

// bytesOf returns the memory of a fixed-size value.
func bytesOf[T unix.Stat_t | unix.Statx_t](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}
