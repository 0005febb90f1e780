package instance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/bounded"
)

// TestLog writes more than a log keeps, in pieces of many sizes, and reads while it is
// written: what was read in time is all there, in order.
func TestLog(t *testing.T) {
	s, dir := testStore(t)
	c, _ := claimed(t, s, "x")
	defer c.Close()
	out, stderr := c.Logs(Rotation{Size: 100, Files: 3})
	i, err := s.Find("x", false)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	var early, all bytes.Buffer
	r := i.Read(false)
	defer r.Close()
	if err := r.Copy(&early); err != nil { // there is no file yet
		t.Fatal(err)
	}
	for n := range 100 {
		text := strings.Repeat(fmt.Sprintf("line %d\n", n), n%17)
		all.WriteString(text)
		if got, err := out.Write([]byte(text)); got != len(text) || err != nil {
			t.Fatal(got, err)
		}
		if err := r.Copy(&early); err != nil {
			t.Fatal(err)
		}
	}
	if early.String() != all.String() {
		t.Errorf("followed %d bytes; %d were written", early.Len(), all.Len())
	}
	var late bytes.Buffer
	reader := i.Read(false)
	defer reader.Close()
	if err := reader.Copy(&late); err != nil || !strings.HasSuffix(all.String(), late.String()) || late.Len() < 200 || late.Len() > 300 {
		t.Errorf("%d bytes, %v", late.Len(), err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "x/x.out*"))
	if len(files) != 3 || err != nil {
		t.Errorf("%q, %v", files, err)
	}
	for _, f := range files {
		if text, err := os.ReadFile(f); err != nil || len(text) > 100 || !bytes.HasSuffix(text, []byte("\n")) {
			t.Errorf("%s: %d bytes, %v", f, len(text), err)
		}
	}
	if err := stderr.Open(); err != nil {
		t.Error(err)
	}
	stderr.Write(bytes.Repeat([]byte{'x'}, 250)) // one long line
	if info, err := os.Stat(c.Err); err != nil || info.Size() != 50 || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	stderr.Close()
	out.Close()
}

// TestLogFails has what cannot be written be lost, and nothing else happen.
func TestLogFails(t *testing.T) {
	s, dir := testStore(t)
	c, _ := claimed(t, s, "x")
	defer c.Close()
	for name, forge := range map[string]func(path string) error{
		"link":      func(p string) error { return os.Symlink("/dev/full", p) },
		"pipe":      func(p string) error { return unix.Mkfifo(p, 0o600) },
		"directory": func(p string) error { return os.Mkdir(p, 0o700) },
	} {
		path := filepath.Join(dir, "x/x.out")
		if err := errors.Join(os.RemoveAll(path), forge(path)); err != nil {
			t.Fatal(err)
		}
		out, _ := c.Logs(Rotation{Size: 10, Files: 1})
		if err := out.Open(); err == nil {
			t.Errorf("%s: opened", name)
		}
		if n, err := out.Write([]byte("more than ten bytes\nand more\n")); n != 29 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		out.Close()
	}
	path := filepath.Join(dir, "x/x.out")
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	out, _ := c.Logs(Rotation{Size: 10, Files: 1})
	out.Write([]byte("123456789\nabc\n"))
	if text, err := os.ReadFile(path); string(text) != "abc\n" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	out.Close()
}

// FuzzState (F16): whatever is read, the processes that it names are possible ones.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"name":"x","supervisor":{"pid":5,"start":7},"init":{"pid":6,"start":8},"container":{"a":[1]}}`))
	f.Add([]byte(`{"name":"x","supervisor":{"pid":-1,"start":7}}`))
	f.Add([]byte(`{"name":"y"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		bounded.Do(t, func() {
			s, err := parse(text, "x")
			if err == nil && (s.Name != "x" || s.Supervisor.PID < 2 || s.Init.PID < 0 || s.Init.PID == 1 || s.Init.PID > maxPID) {
				t.Errorf("%+v", s)
			}
		})
	})
}
