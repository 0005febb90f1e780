package seccomp

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Notification is struct seccomp_notif: a thread of the payload waits for the
// answer to a system call (seccomp_unotify(2)).
type Notification struct {
	ID   uint64
	PID  uint32 // the thread's, in the PID namespace of who receives it
	_    uint32
	NR   int32
	Arch uint32
	_    uint64 // the instruction pointer
	Args [6]uint64
}

// Response is struct seccomp_notif_resp.
type Response struct {
	ID    uint64
	Value int64
	Errno int32 // negative, or 0
	Flags uint32
}

// addfd is struct seccomp_notif_addfd.
type addfd struct {
	id                        uint64
	flags, from, to, newFlags uint32
}

// Requests of ioctl(2) that x/sys/unix lacks (linux/seccomp.h).
const (
	ioctlIDValid  = 0x40082102
	ioctlAddFD    = 0x40182103
	ioctlSetFlags = 0x40082104
)

// Listener is the descriptor that notifications come from.
type Listener int

// Install puts the filter on this thread, and on all that it starts. It needs
// no_new_privs or CAP_SYS_ADMIN. EBUSY: a filter above has a listener already.
func Install(p []unix.SockFilter) (Listener, error) {
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	// Without the last flag, since Linux 5.19, a signal could interrupt a call
	// that has been carried out, and have it repeated.
	for _, flags := range [...]uintptr{unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 0} {
		flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
		fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
		if errno == 0 {
			l := Listener(fd)
			// Who waits and who answers take turns; one CPU serves both best.
			// Linux before 6.6 has no such flag, and does without.
			err := unix.IoctlSetInt(int(l), ioctlSetFlags, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
			if err != nil && err != unix.EINVAL && err != unix.ENOTTY {
				return -1, err
			}
			return l, nil
		}
		if errno != unix.EINVAL {
			return -1, errno
		}
	}
	return -1, unix.EINVAL
}

// InstallSilent puts a filter without listener on this thread, with flags of
// seccomp(2).
func InstallSilent(p []unix.SockFilter, flags uintptr) error {
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return errno
	}
	return nil
}

func (l Listener) ioctl(request uintptr, arg unsafe.Pointer) (int, error) {
	for {
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(l), request, uintptr(arg))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return -1, errno
	}
}

// Receive waits for a notification.
func (l Listener) Receive(n *Notification) error {
	for {
		*n = Notification{} // or EINVAL
		_, err := l.ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(n))
		if err != unix.ENOENT { // the thread was killed meanwhile
			return err
		}
	}
}

// Send answers. ENOENT, that the thread is gone, is no error.
func (l Listener) Send(r *Response) error {
	_, err := l.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(r))
	if err == unix.ENOENT {
		return nil
	}
	return err
}

// Valid tells whether the thread still waits: what was opened by its number
// before is then its own, and not that of a successor.
func (l Listener) Valid(id uint64) error {
	_, err := l.ioctl(ioctlIDValid, unsafe.Pointer(&id))
	return err
}

// Give makes a copy of fd in the thread's process, and its number the answer.
// Linux before 5.14 takes two calls for that.
//
// No signal may come meanwhile: the kernel marks the call as answered before the
// descriptor is there, and one that interrupts the wait for it takes back the
// descriptor, not the mark (seccomp_notify_addfd in kernel/seccomp.c). The call
// then returns 0, which is another file. Go's runtime sends such signals.
func (l Listener) Give(id uint64, fd int, cloexec bool) (value int, answered bool, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i]--
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil {
		return -1, false, err
	}
	defer func() {
		// It fails for no mask that was the thread's.
		_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	}()
	a := addfd{id: id, flags: unix.SECCOMP_ADDFD_FLAG_SEND, from: uint32(fd)}
	if cloexec {
		a.newFlags = unix.O_CLOEXEC
	}
	value, err = l.ioctl(ioctlAddFD, unsafe.Pointer(&a))
	if err != unix.EINVAL {
		return value, err == nil, err
	}
	a.flags = 0
	value, err = l.ioctl(ioctlAddFD, unsafe.Pointer(&a))
	return value, false, err
}
