package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// call runs a command line and returns what it printed.
func call(t *testing.T, args ...string) (code int, out, msg string) {
	t.Helper()
	p, stdout, stderr := fake("SOURCE_DATE_EPOCH=1000000000")
	p.Args = args
	code = run(p)
	return code, stdout.String(), stderr.String()
}

func TestImageList(t *testing.T) {
	dir := t.TempDir()
	root, image := filepath.Join(dir, "root"), filepath.Join(dir, "x.sqfs")
	for _, name := range []string{"a/one", "b/two\n"} {
		name = filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte("text"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if code, out, msg := call(t, "image", "pack", "--all-root", root, image); code != 0 || out+msg != "" {
		t.Fatal(code, out, msg)
	}
	for args, want := range map[string]string{
		"":              "a\nb\n",
		"/a":            "one\n",
		"/a /b":         "/a:\none\n\n/b:\n\"two\\n\"\n",
		"/a/one b/":     "/a/one\n\n/b:\n\"two\\n\"\n",
		"-R /a b":       "/a\n/a/one\n/b\n\"/b/two\\n\"\n",
		"-l a":          "-rw-r--r--   1     0     0          4 2001-09-09T01:46:40Z one\n",
		"--json /a /b":  `[{"path":"/a/one","type":"file","mode":"0644","nlink":1,"uid":0,"gid":0,"size":4,"mtime":"2001-09-09T01:46:40Z"},` + `{"path":"/b/two\n","type":"file","mode":"0644","nlink":1,"uid":0,"gid":0,"size":4,"mtime":"2001-09-09T01:46:40Z"}]`,
		"--json /a/one": `[{"path":"/a/one","type":"file","mode":"0644","nlink":1,"uid":0,"gid":0,"size":4,"mtime":"2001-09-09T01:46:40Z"}]`,
	} {
		code, out, msg := call(t, append([]string{"image", "ls", image}, strings.Fields(args)...)...)
		if strings.HasPrefix(args, "--json") {
			out = compact(t, out)
		}
		if code != 0 || msg != "" || out != want {
			t.Errorf("%s: code %d, %q, %s", args, code, msg, out)
		}
	}
	if code, out, _ := call(t, "image", "cat", image, "a/one", "/b/two\n"); code != 0 || out != "texttext" {
		t.Errorf("code %d, %q", code, out)
	}
	if code, out, msg := call(t, "image", "unpack", image, filepath.Join(dir, "out"), "/a"); code != 0 || out+msg != "" {
		t.Errorf("code %d, %q, %q", code, out, msg)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "out/a/one")); err != nil || string(b) != "text" {
		t.Errorf("%q, %v", b, err)
	}
}

func compact(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return b.String()
}

// TestEmptyJSON is a document too.
func TestEmptyJSON(t *testing.T) {
	image := filepath.Join(t.TempDir(), "x.sqfs")
	if code, _, msg := call(t, "image", "pack", "--exclude", "*", "..", image); code != 0 {
		t.Fatal(msg)
	}
	if _, out, _ := call(t, "image", "ls", "--json", image); compact(t, out) != "[]" {
		t.Error(out)
	}
}

// left is an output whose reader has left.
type left struct{}

func (left) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestReaderLeaves(t *testing.T) {
	for _, args := range []string{"image ls ..", "image cat .. sealift/main.go"} {
		p, _, msg := fake()
		p.Out, p.Args = left{}, strings.Fields(args)
		if code := run(p); code != 141 || msg.Len() > 0 {
			t.Errorf("%s: code %d, %q", args, code, msg)
		}
	}
}
