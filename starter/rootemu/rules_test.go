package rootemu

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/rootemu/creds"
	"github.com/sealift/sealift/starter/seccomp"
)

// run interprets a program for one call.
func run(t *testing.T, p []unix.SockFilter, auditArch, nr uint32, args [6]uint64) uint32 {
	t.Helper()
	data := native.AppendUint32(native.AppendUint32(nil, nr), auditArch)
	data = native.AppendUint64(data, 0)
	for _, a := range args {
		data = native.AppendUint64(data, a)
	}
	var acc uint32
	for pc := 0; pc < len(p); pc++ {
		i := p[pc]
		skip := func(yes bool) {
			if yes {
				pc += int(i.Jt)
			} else {
				pc += int(i.Jf)
			}
		}
		switch i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = native.Uint32(data[i.K:])
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			skip(acc == i.K)
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			skip(acc >= i.K)
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			skip(acc&i.K != 0)
		case unix.BPF_RET | unix.BPF_K:
			return i.K
		default:
			t.Fatalf("unknown instruction %+v", i)
		}
	}
	t.Fatal("the program does not end")
	return 0
}

func TestFilter(t *testing.T) {
	const allow, notify, zero = unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_USER_NOTIF, unix.SECCOMP_RET_ERRNO
	full, fast, silent := Emulator{mode: Full}, Emulator{mode: Fast}, Emulator{mode: Silent}
	for i, c := range []struct {
		e    *Emulator
		nr   int
		args [6]uint64
		want uint32
	}{
		{&full, unix.SYS_FCHOWN, [6]uint64{}, notify},
		{&silent, unix.SYS_FCHOWN, [6]uint64{}, zero},
		{&full, unix.SYS_STATX, [6]uint64{}, notify},
		{&fast, unix.SYS_STATX, [6]uint64{}, allow},
		{&full, unix.SYS_OPENAT, [6]uint64{0, 0, unix.O_WRONLY | unix.O_CREAT}, notify},
		{&full, unix.SYS_OPENAT, [6]uint64{0, unix.O_CREAT, unix.O_RDWR | unix.O_TRUNC}, allow},
		{&silent, unix.SYS_OPENAT, [6]uint64{0, 0, unix.O_CREAT}, allow},
		{&silent, unix.SYS_GETUID, [6]uint64{}, allow},
		{&full, unix.SYS_CAPSET, [6]uint64{}, zero},
		{&full, unix.SYS_SETRLIMIT, [6]uint64{creds.Carrier}, zero},
		{&full, unix.SYS_SETRLIMIT, [6]uint64{unix.RLIMIT_NOFILE}, allow},
		{&full, unix.SYS_PRLIMIT64, [6]uint64{0, creds.Carrier, 4096}, zero},
		{&full, unix.SYS_PRLIMIT64, [6]uint64{0, creds.Carrier, 0, 4096}, allow},
		{&full, unix.SYS_PRLIMIT64, [6]uint64{0, unix.RLIMIT_CPU, 4096}, allow},
		{&full, unix.SYS_READ, [6]uint64{}, allow},
		{&full, unix.SYS_EXECVE, [6]uint64{}, allow},
		{&full, unix.SYS_FCHOWN | 0x40000000, [6]uint64{}, allow},
	} {
		p := seccomp.Assemble(auditArch, c.e.rules())
		if got := run(t, p, auditArch, uint32(c.nr), c.args); got != c.want {
			t.Errorf("case %d: %#x, want %#x", i, got, c.want)
		}
		if got := run(t, p, unix.AUDIT_ARCH_I386, uint32(c.nr), c.args); got != allow {
			t.Errorf("case %d, another ABI: %#x", i, got)
		}
	}
}

func TestOwnProc(t *testing.T) {
	w := worker{pid: 42}
	for in, want := range map[string]string{
		"/proc/self/fd/3": "/proc/42/fd/3", "/proc/thread-self/x": "/proc/42/x", "/dev/fd/1": "/proc/42/fd/1", "/dev/stderr": "/proc/42/fd/2",
		"/proc/selfish": "/proc/selfish", "proc/self/x": "proc/self/x", "/dev/stdinx": "/dev/stdinx", "a": "a",
	} {
		if got := w.ownProc(in); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"user.sealift.owner\x00": "", "user.a\x00user.sealift.entry.x\x00user.b\x00": "user.a\x00user.b\x00", "": "",
	} {
		if got := string(visible([]byte(in))); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestNew(t *testing.T) {
	for _, m := range []Mode{"", "off", "FULL"} {
		if _, err := New(m, ""); err != unix.EINVAL {
			t.Errorf("%q: %v", m, err)
		}
	}
	if _, err := New(Silent, "/"); err != unix.EINVAL {
		t.Errorf("silent on some files: %v", err)
	}
	if _, err := New(Full, "/nosuch"); err != unix.ENOENT {
		t.Errorf("nowhere: %v", err)
	}
	e, err := New(Full, "")
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(e.procfs)
	if !Supported() {
		t.Skip("no user notification here: an old kernel, or a container with a listener of its own")
	}
	if !Supported() {
		t.Error("the filter of a probe outlives it")
	}
}
