// Package memory reads and writes the memory of another process
// (process_vm_readv(2)).
//
// Input: the process's number and an address as the process has it. Output: bytes,
// or the error that a system call with such an address ends with.
package memory

import (
	"bytes"

	"golang.org/x/sys/unix"
)

const pageSize = 4096 // no architecture has smaller ones

// Read fills b from the memory of a process at addr.
func Read(pid int, addr uint64, b []byte) error {
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

// Write copies b into the memory of a process at addr.
func Write(pid int, addr uint64, b []byte) error {
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

// String reads a string that ends with a NUL and has less than max bytes:
// more are ENAMETOOLONG.
func String(pid int, addr uint64, max int) (string, error) {
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
