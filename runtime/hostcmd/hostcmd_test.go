package hostcmd

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
)

// serve starts a server for programs of the host.
func serve(t *testing.T, first []string, names ...string) (s *Server, socket string) {
	t.Helper()
	programs, err := Find(names, "relative:/nowhere:/usr/bin:/bin")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if s, err = Prepare(dir, programs); err != nil {
		t.Fatal(err)
	}
	s.Serve([]string{"PATH=/usr/bin:/bin", "HOST=yes", "BOTH=host"}, first, dir)
	t.Cleanup(func() { s.Close() })
	return s, filepath.Join(dir, SocketName)
}

// ask makes a call, and returns its output too.
func ask(t *testing.T, socket string, c *Call, input string, signals <-chan os.Signal) (status int, out string, err error) {
	t.Helper()
	var ends [3][2]*os.File
	for i := range ends {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = [2]*os.File{r, w}
	}
	if _, err := ends[0][1].WriteString(input); err != nil {
		t.Fatal(err)
	}
	ends[0][1].Close()
	status, err = Ask(socket, c, [3]*os.File{ends[0][0], ends[1][1], ends[2][1]}, signals)
	for i := range 2 {
		ends[i+1][1].Close()
		b, err := io.ReadAll(ends[i+1][0])
		if err != nil {
			t.Fatal(err)
		}
		out += string(b)
	}
	return status, out, err
}

// TestCalls: arguments, streams, environment, directory and status are those of the call.
func TestCalls(t *testing.T) {
	_, socket := serve(t, []string{"PATH=/image", "IMAGE=set", "BOTH=host", "GONE=x"}, "sh", "printf", "cat")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		call       Call
		input, out string
		status     int
	}{
		{Call{Name: "printf", Args: []string{"[%s]", "a  b", "", "$(x)", "\xff\n"}}, "", "[a  b][][$(x)][\xff\n]", 0},
		{Call{Name: "cat"}, "some\x00text", "some\x00text", 0},
		{Call{Name: "sh", Args: []string{"-c", "echo out; echo err >&2; exit 7"}}, "", "out\nerr\n", 7},
		{Call{Name: "sh", Args: []string{"-c", "kill -9 $$"}}, "", "", 137},
		{Call{Name: "sh", Args: []string{"-c", "pwd"}, Dir: here}, "", here + "\n", 0},
		{Call{Name: "sh", Args: []string{"-c", "pwd"}, Dir: "/only/inside"}, "", filepath.Dir(socket) + "\n", 0},
		{
			Call{Name: "sh", Args: []string{"-c", "echo $PATH $HOST $BOTH ${IMAGE-none} $NEW ${LD_PRELOAD-none}"}, Env: []string{"PATH=/image:/more", "IMAGE=set", "NEW=1", "BOTH=changed", "LD_PRELOAD=/x"}},
			"", "/usr/bin:/bin yes changed none 1 none\n", 0,
		},
	} {
		if status, out, err := ask(t, socket, &c.call, c.input, nil); status != c.status || out != c.out || err != nil {
			t.Errorf("%+v: %d %q %v", c.call, status, out, err)
		}
	}
	if status, _, err := ask(t, socket, &Call{Name: "id"}, "", nil); status != 127 || err == nil || !strings.Contains(err.Error(), "id is not a command") {
		t.Errorf("%d %v", status, err)
	}
	if _, _, err := ask(t, socket, &Call{Name: "cat", Args: []string{strings.Repeat("x", largest)}}, "", nil); err == nil || !strings.Contains(err.Error(), "more than a program may get") {
		t.Error(err)
	}
	if status, _, err := ask(t, socket, &Call{Name: "cat", Args: []string{strings.Repeat("x", 1<<20)}}, "", nil); status != refused || err == nil || !strings.Contains(err.Error(), "argument list too long") {
		t.Errorf("%d %v", status, err)
	}
}

// TestSignals: a program gets what its caller gets.
func TestSignals(t *testing.T) {
	_, socket := serve(t, nil, "sh")
	signals := make(chan os.Signal, 1)
	ready := filepath.Join(t.TempDir(), "ready")
	go func() {
		waitFor(t, func() bool { _, err := os.Stat(ready); return err == nil })
		signals <- syscall.SIGUSR1
	}()
	call := &Call{Name: "sh", Args: []string{"-c", "trap 'echo told; exit 3' USR1; : >$1; while :; do sleep 0.05; done", "sh", ready}}
	if status, out, err := ask(t, socket, call, "", signals); status != 3 || out != "told\n" || err != nil {
		t.Errorf("%d %q %v", status, out, err)
	}
}

// TestGone: a program is ended when its caller has left, and when the server ends.
func TestGone(t *testing.T) {
	for _, by := range []string{"caller", "server"} {
		s, socket := serve(t, nil, "sh")
		conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		pid := filepath.Join(t.TempDir(), "pid")
		call := &Call{Name: "sh", Args: []string{"-c", "echo $$ >$1.new; mv $1.new $1; exec sleep 100", "sh", pid}}
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := call.send(conn, [3]*os.File{null, null, null}); err != nil {
			t.Fatal(err)
		}
		var n int
		waitFor(t, func() bool {
			text, _ := os.ReadFile(pid)
			_, err := fmt.Sscan(string(text), &n)
			return err == nil
		})
		if by == "caller" {
			conn.Close()
		} else if err := s.Close(); err != nil {
			t.Error(err)
		}
		waitFor(t, func() bool { return syscall.Kill(n, 0) == syscall.ESRCH })
		conn.Close()
		null.Close()
	}
}

// TestHostile: what is no call starts nothing, and leaves the server to others.
func TestHostile(t *testing.T) {
	_, socket := serve(t, nil, "cat")
	for _, text := range []string{"", "\x00", "\xff\xff\xff\xff", "\x00\x00\x00\x04a\x00b\x00", strings.Repeat("\x00", 100)} {
		conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Error(err)
		}
		conn.CloseWrite()
		b, err := io.ReadAll(conn) // or a reset, after that: not all was read
		if text != "" && (!strings.Contains(string(b), "call") && !strings.Contains(string(b), "EOF")) || len(b) > 100 {
			t.Errorf("%q: %q %v", text, b, err)
		}
		conn.Close()
	}
	if status, out, err := ask(t, socket, &Call{Name: "cat"}, "x", nil); status != 0 || out != "x" || err != nil {
		t.Errorf("%d %q %v", status, out, err)
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Error("waited in vain")
			return
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "data"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a/b": "is not the name", "": "is not the name", "..": "is not the name", "data": "no command data", "none": "no command none"} {
		if _, err := Find([]string{name}, dir); err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestEncoding(t *testing.T) {
	for _, c := range []Call{{Name: "a"}, {Name: "a", Dir: "/x", Args: []string{"", "b=c"}, Env: []string{"D=e", ""}}, {Name: "a", Env: []string{"X"}}} {
		if got, err := decode(c.encode()); err != nil || !reflect.DeepEqual(*got, c) {
			t.Errorf("%+v %v", got, err)
		}
	}
	for _, text := range []string{"", "a", "a\x00", "a\x00b\x00", "a\x00b\x001\x00", "a\x00b\x00-1\x00", "a\x00b\x00x\x00", "a\x00b\x000\x00c"} {
		if c, err := decode([]byte(text)); err == nil {
			t.Errorf("%q: %+v", text, c)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("a\x00/\x001\x00b\x00C=d\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := decode(text); err == nil {
			if again, err := decode(c.encode()); err != nil || !reflect.DeepEqual(again, c) {
				t.Errorf("%+v %+v %v", c, again, err)
			}
		}
	})
}

func TestEnviron(t *testing.T) {
	host := []string{"PATH=/h", "HOME=/home/a", "KEPT=1", "UNSET=1", "CHANGED=1", "TWICE=1", "TWICE=2"}
	first := []string{"PATH=/i", "HOME=/root", "KEPT=1", "UNSET=1", "CHANGED=1", "IMAGE=1", "TWICE=2"}
	now := []string{"PATH=/i:/x", "HOME=/x", "KEPT=1", "CHANGED=2", "IMAGE=1", "NEW=a=b", "LD_PRELOAD=/x", "PYTHONPATH=/x", "SEALIFT_BIND=/x", "BASH_FUNC_x%%=() {", "TWICE=2", "=odd", "word"}
	want := []string{"PATH=/h", "HOME=/home/a", "KEPT=1", "TWICE=2", "CHANGED=2", "NEW=a=b"}
	if got := Environ(host, first, now); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
