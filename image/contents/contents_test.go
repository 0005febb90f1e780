package contents

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

const wantLong = `drwxr-xr-x   6     0     0          0 1970-01-01T00:00:00Z /
drwxr-xr-x   2     0     0          0 1970-01-01T00:00:00Z /bin
-rw-r--r--   1     0     0          6 1970-01-01T00:16:40Z "/bin/\x1b[2Jclear"
-rwsr-xr-x   2     5     5          5 1970-01-01T00:16:40Z /bin/alias
lrwxrwxrwx   1     0     0          1 1970-01-01T00:16:40Z "/bin/new\nline" -> "\a"
prw-------   1     0     0          0 1970-01-01T00:16:40Z /bin/pipe
-rwsr-xr-x   2     5     5          5 1970-01-01T00:16:40Z /bin/tool
-rw-r--r--   1     0     0          0 1970-01-01T00:16:40Z "/bin/\xff"
drwxr-xr-x   2     0     0          0 1970-01-01T00:16:40Z /etc
-rw-------   1     0     0          4 1970-01-01T00:16:40Z /etc/old
-rw-r-----   1     7     7          5 1970-01-01T00:16:40Z /etc/passwd
lrwxrwxrwx   1     0     0          8 1970-01-01T00:16:40Z /lib -> /usr/lib
lrwxrwxrwx   1     0     0          4 1970-01-01T00:16:40Z /loop -> loop
lrwxrwxrwx   1     0     0          7 1970-01-01T00:16:40Z /lost -> nowhere
drwxrwxrwt   2     0     0          0 1970-01-01T00:16:40Z /tmp
lrwxrwxrwx   1     0     0         22 1970-01-01T00:16:40Z /up -> ../../../../etc/passwd
drwxr-xr-x   3     0     0          0 1970-01-01T00:00:00Z /usr
drwxr-xr-x   2     0     0          0 1970-01-01T00:16:40Z /usr/lib
-rw-r--r--   1     0     0          4 1970-01-01T00:16:40Z /usr/lib/end
-rw-r--r--   1     0     0     648890 1970-01-01T00:16:40Z /usr/lib/long
`

// TestEveryKind sees the same files in every kind of place.
func TestEveryKind(t *testing.T) {
	for _, name := range everyKind(t) {
		s := open(t, name)
		whole := os.Getuid() == 0 || filepath.Base(name) != "rootfs" // which has the owners of who made it
		want := wantLong
		if !whole {
			want = ""
			for line := range strings.Lines(wantLong) {
				path, _, _ := strings.Cut(strings.TrimSpace(line[strings.Index(line, "Z ")+2:]), " -> ")
				want += path + "\n"
			}
		}
		if got := listing(t, s, whole); got != want {
			t.Errorf("%s:\n%s", name, got)
		}
		if a := s.Arch(); a != "amd64" && filepath.Base(name) != "image.sqfs" && filepath.Base(name) != "rootfs" {
			t.Errorf("%s: architecture %q", name, a)
		}
		fsys := files(t, s)
		for path, want := range map[string]string{
			"etc/old": "new\n", "/bin/tool": "tool\n", "/bin/alias": "tool\n", "/up": "root\n", "//lib/../lib/./end": "end\n", "../bin/\xff": "", "lib/long": long,
		} {
			var b bytes.Buffer
			if err := Cat(&b, fsys, path); err != nil || b.String() != want {
				t.Errorf("%s: cat %q: %.100q, %v", name, path, b.String(), err)
			}
		}
		for path, want := range map[string][2]string{
			"/etc/gone": {"/etc/gone: ", ""}, "/loop": {"/loop: too many", ""}, "/lost": {"/lost: ", ""}, "/lib": {"/lib: it is a directory", "image ls"},
			"/bin/pipe": {"neither a regular file", ""}, "/etc/old/x": {"/etc/old/x: ", ""}, "/no\x1b": {`"/no\x1b": `, ""},
		} {
			wantError(t, Cat(io.Discard, fsys, path), want[0], want[1])
		}
		if _, err := List(fsys, "/etc/gone"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: list: %v", name, err)
		}
	}
}

// TestFS holds the file system of layers to the rules of package io/fs.
func TestFS(t *testing.T) {
	stack := [][]byte{tarOf(t, entry{"a/b", "text", 0o644, 0}, entry{"a/empty", "", 0o644, 0}, entry{"a/c/d", long, 0o755, 0})}
	path := filepath.Join(t.TempDir(), "x")
	must(t, os.WriteFile(path, tarOf(t, saved(t, stack...)...), 0o644))
	fsys := files(t, open(t, path))
	must(t, fstest.TestFS(fsys, "a/b", "a/empty", "a/c/d"))
	if _, err := fsys.ReadLink("a/b"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("link: %v", err)
	}
}

// TestLeaveEarly ends a pass over layers when its reader has seen enough, or
// when its context ends.
func TestLeaveEarly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	before := runtime.NumGoroutine()
	fsys, err := open(t, everyKind(t)[0]).FS(ctx)
	must(t, err)
	f, err := fsys.Open("usr/lib/long")
	must(t, err)
	if _, err := io.ReadFull(f, make([]byte, 10)); err != nil {
		t.Error(err)
	}
	must(t, f.Close())
	cancel()
	if _, err := fs.ReadFile(fsys, "usr/lib/long"); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context: %v", err)
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// closed is a pipe whose reader has left.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestReaderLeaves(t *testing.T) {
	for _, name := range everyKind(t) {
		if err := Cat(closed{}, files(t, open(t, name)), "/usr/lib/long"); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/plain.tar", tarOf(t, entry{"a", "b", 0o644, 0}), 0o644))
	must(t, os.WriteFile(dir+"/text", []byte("text"), 0o644))
	must(t, syscall.Mkfifo(dir+"/fifo", 0o644))
	for name, want := range map[string][2]string{
		dir + "/plain.tar": {"archive of no image", "docker save"}, dir + "/text": {"neither a SIF", ""}, dir + "/fifo": {"a FIFO", ""},
		dir + "/none": {"no such file", "spelling"}, "dokcer://x": {"no such file", "oci-archive:FILE"}, "docker://x": {"no registry can be reached", ""}, "oci:" + dir: {"not an OCI layout", ""}, "oci:": {"no path", ""},
	} {
		_, err := Open(t.Context(), name, Options{Arch: "amd64"})
		wantError(t, err, want[0], want[1])
	}
	layout := everyKind(t)[0]
	_, err := Open(t.Context(), layout, Options{Arch: "s390x"})
	wantError(t, err, "not for linux/s390x", "linux/amd64")
}

// TestJSON is about the shape that programs read, and about terminals.
func TestJSON(t *testing.T) {
	e := Entry{
		Path: "/a\x1b\u009b\u202e\U000e0001<\xff", Mode: 0o020640, Nlink: 1, UID: 1, GID: 4294967295, Rdev: 0x103, Target: "t\xff",
		ModTime: time.Unix(0, 0).UTC(),
	}
	b, err := json.Marshal(e)
	want := `{"path":"/a\u001b\u009b\u202e\udb40\udc01\u003c\ufffd","rawPath":"L2EbwpvigK7zoICBPP8=","type":"char","mode":"0640","nlink":1,` +
		`"uid":1,"gid":4294967295,"size":0,"major":1,"minor":3,"mtime":"1970-01-01T00:00:00Z","target":"t\ufffd","rawTarget":"dP8="}`
	if err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
	var back struct{ Path string }
	if err := json.Unmarshal(b, &back); err != nil || back.Path != "/a\x1b\u009b\u202e\U000e0001<\ufffd" {
		t.Errorf("%q, %v", back.Path, err)
	}
}

func TestQuote(t *testing.T) {
	for name, want := range map[string]string{
		"plain name": "plain name", "ünï": "ünï", "'": "'", `a"b\n`: `a"b\n`, `"a"`: `"\"a\""`, "\t": `"\t"`, "\u2028": `"\u2028"`, "\u202e": `"\u202e"`, "\x9b": `"\x9b"`, "\u009b": `"\u009b"`,
	} {
		if got := Quote(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func TestPermissions(t *testing.T) {
	for mode, want := range map[uint32]string{
		0o100644: "-rw-r--r--", 0o041777: "drwxrwxrwt", 0o041000: "d--------T", 0o106755: "-rwsr-sr-x", 0o106000: "---S--S---",
		0o120777: "lrwxrwxrwx", 0o060660: "brw-rw----", 0o020600: "crw-------", 0o010600: "prw-------", 0o140755: "srwxr-xr-x", 0: "?---------",
	} {
		if got := (Entry{Mode: mode}).Permissions(); got != want {
			t.Errorf("%o: %s, want %s", mode, got, want)
		}
	}
	e := Entry{Mode: 0o060660, Rdev: 0x801, Nlink: 1, ModTime: time.Unix(0, 0).UTC()}
	if got := e.Long("sda"); got != "brw-rw----   1     0     0     8,   1 1970-01-01T00:00:00Z sda" {
		t.Error(got)
	}
}

// TestListOne lists links and what they lead to.
func TestListOne(t *testing.T) {
	fsys := files(t, open(t, everyKind(t)[0]))
	for path, want := range map[string]string{
		"/lib": "[/lib/end /lib/long]", "/up": "[/up]", "lost": "[/lost]", "/etc/": "[/etc/old /etc/passwd]", "/lib/end": "[/lib/end]",
	} {
		l, err := List(fsys, path)
		must(t, err)
		var got []string
		must(t, l.Entries(false, func(e Entry) error { got = append(got, e.Path); return nil }))
		if fmt.Sprint(got) != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	stop := errors.New("stop")
	l, err := List(fsys, "/")
	must(t, err)
	if err := l.Entries(true, func(Entry) error { return stop }); err != stop {
		t.Errorf("error %v", err)
	}
}
