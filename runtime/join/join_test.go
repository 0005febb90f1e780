package join

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Entering real containers is tested by runtime/launch, with the real starter.

// start starts p in n on a thread of its own, and waits for its end. It checks that no
// process and no descriptor is left.
func start(t *testing.T, n *Namespaces, p Program) (status unix.WaitStatus, err error) {
	t.Helper()
	before := descriptors(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var pid int
		if pid, err = n.Start(p); err == nil {
			_, err = unix.Wait4(pid, &status, 0, nil)
		}
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
			t.Errorf("process %d is left: %v", pid, err)
		}
	}()
	<-done
	if after := descriptors(t); after != before {
		t.Errorf("descriptors: %s; before %s", after, before)
	}
	return status, err
}

func descriptors(t *testing.T) string {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil { // but for the directory itself
			all = append(all, to)
		}
	}
	return fmt.Sprint(all)
}

// TestStart has a program get its descriptors whatever their numbers were.
func TestStart(t *testing.T) {
	for fd := 3; fd < 256; fd++ { // what the tests have inherited
		unix.CloseOnExec(fd)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	st, err := start(t, &Namespaces{}, Program{
		Path: "/bin/sh", Args: []string{"sh", "-c", `echo "$0 $1" >&7; echo "$A" >&1; ls /proc/self/fd | wc -l; exit 5`, "a b", "c"},
		Files: []uintptr{null.Fd(), w.Fd(), null.Fd(), w.Fd(), 0, 1, 2, w.Fd()},
	})
	w.Close()
	text, _ := io.ReadAll(r)
	// Eight, and that of the directory which ls reads.
	if err != nil || st.ExitStatus() != 5 || strings.Join(strings.Fields(string(text)), " ") != "a b c 9" {
		t.Errorf("%v, %v, %q", st, err, text)
	}
}

// TestFailures: each step that fails says which it was, and nothing is left of it.
func TestFailures(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("no program\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(filepath.Dir(plain), "foreign")
	if err := os.WriteFile(foreign, []byte("no program\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	sh := Program{Path: "/bin/sh", Args: []string{"sh", "-c", "exit 0"}}
	for _, c := range []struct {
		name string
		n    Namespaces
		p    Program
		want string
		is   error
	}{
		{"no namespace", Namespaces{kinds: kinds[5:6], files: []*os.File{null}}, sh, "enter the container's mnt namespace", unix.EINVAL},
		{"no user namespace", Namespaces{kinds: kinds[:1], files: []*os.File{null}}, sh, "enter the container's user namespace", unix.EINVAL},
		{"missing", Namespaces{}, Program{Path: "/no/such", Args: []string{"x"}}, "open /no/such", unix.ENOENT},
		{"not executable", Namespaces{}, Program{Path: plain, Args: []string{"x"}}, "execute the starter in the container", unix.EACCES},
		{"no program", Namespaces{}, Program{Path: foreign, Args: []string{"x"}}, "execute the starter in the container", unix.ENOEXEC},
		{"closed descriptor", Namespaces{}, Program{Path: "/bin/sh", Args: []string{"sh"}, Files: []uintptr{1 << 20}}, "duplicate a descriptor", unix.EBADF},
		{"argument", Namespaces{}, Program{Path: "/bin/sh", Args: []string{"a\x00b"}}, "", unix.EINVAL},
	} {
		_, err := start(t, &c.n, c.p)
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, c.is) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := start(t, &Namespaces{}, sh); err != nil {
		t.Errorf("after all that: %v", err)
	}
}
