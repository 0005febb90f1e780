package seccomp

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAssemble looks at the shape of programs: what they do is tested with the
// rules of package rootemu.
func TestAssemble(t *testing.T) {
	p := Assemble(7, []Rule{
		{NR: 1, Action: 2},
		{NR: 3, Action: 4, Tests: []Test{{Arg: 5, Any: 6}, {Arg: 0, Equal: 8}}},
	})
	for pc, i := range p {
		if i.Code&7 == unix.BPF_JMP && (pc+int(i.Jt) >= len(p) || pc+int(i.Jf) >= len(p)) {
			t.Errorf("instruction %d jumps out of the program: %+v", pc, i)
		}
	}
	if last := p[len(p)-1]; last != ret(unix.SECCOMP_RET_ALLOW) {
		t.Errorf("the last instruction is %+v", last)
	}
	if all := Nothing(); len(all) != 1 || all[0] != ret(unix.SECCOMP_RET_ALLOW) {
		t.Errorf("%+v", all)
	}
}

// TestListener answers a call of a thread of this process.
func TestListener(t *testing.T) {
	ready, result := make(chan error), make(chan int)
	var l Listener
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		if err == nil {
			// A number that the Go runtime has no use for.
			const arg = 0x5ea11f7
			stop := Rule{NR: unix.SYS_GETPRIORITY, Action: unix.SECCOMP_RET_USER_NOTIF, Tests: []Test{{Arg: 1, Equal: arg}}}
			l, err = Install(Assemble(hostArch, []Rule{stop}))
			if ready <- err; err == nil {
				n, _, _ := unix.RawSyscall(unix.SYS_GETPRIORITY, 0, arg, 0)
				result <- int(n)
			}
			return
		}
		ready <- err
	}()
	if err := <-ready; errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EINVAL) {
		t.Skip("no user notification here: an old kernel, or a container with a listener of its own")
	} else if err != nil {
		t.Fatal(err)
	}
	var n Notification
	if err := l.Receive(&n); err != nil {
		t.Fatal(err)
	}
	if n.NR != unix.SYS_GETPRIORITY || n.Args[1] != 0x5ea11f7 || l.Valid(n.ID) != nil || l.Valid(n.ID+1) == nil {
		t.Errorf("%+v", n)
	}
	if err := l.Send(&Response{ID: n.ID, Value: 42}); err != nil {
		t.Error(err)
	}
	if got := <-result; got != 42 {
		t.Errorf("the call returned %d", got)
	}
	if err := l.Send(&Response{ID: n.ID}); err != nil {
		t.Errorf("an answer that nobody waits for: %v", err)
	}
	unix.Close(int(l))
}
