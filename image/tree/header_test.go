package tree

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
)

// nodeOf makes a node of a header as Merge does.
func nodeOf(h *tar.Header) (*Node, *Report, error) {
	m := &merger{report: &Report{}}
	n, err := m.node(h)
	return n, m.report, err
}

func TestTypes(t *testing.T) {
	for flag, want := range map[byte]uint32{
		tar.TypeReg: TypeRegular, tar.TypeCont: TypeRegular, tar.TypeGNUSparse: TypeRegular,
		tar.TypeDir: TypeDir, tar.TypeSymlink: TypeSymlink, tar.TypeFifo: TypeFIFO,
		tar.TypeChar: TypeChar, tar.TypeBlock: TypeBlock,
	} {
		n, _, err := nodeOf(&tar.Header{Typeflag: flag, Linkname: "x", Mode: 0o120755})
		if err != nil || n.Type() != want {
			t.Errorf("%q: %+v, %v", flag, n, err)
		}
		if want != TypeSymlink && n.Mode != want|0o755 {
			t.Errorf("%q: mode %o keeps type bits of the header", flag, n.Mode)
		}
	}
	for _, flag := range []byte{'Z', 'V', 'M', 'D', 0x80} {
		if n, _, err := nodeOf(&tar.Header{Typeflag: flag}); n != nil || err != nil {
			t.Errorf("%q: %+v, %v", flag, n, err)
		}
	}
}

func TestOwners(t *testing.T) {
	for id, ok := range map[int]bool{0: true, 65534: true, 1 << 31: true, 1<<32 - 2: true, 1<<32 - 1: false, 1 << 32: false, -1: false, math.MaxInt: false} {
		for _, h := range []*tar.Header{{Typeflag: tar.TypeReg, Uid: id}, {Typeflag: tar.TypeLink, Gid: id}} {
			n, _, err := nodeOf(h)
			if (err == nil) != ok {
				t.Errorf("%d: error %v", id, err)
			}
			if ok && int(n.UID)+int(n.GID) != id {
				t.Errorf("%d became %d:%d", id, n.UID, n.GID)
			}
		}
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		in      time.Time
		want    int64
		clamped int
	}{
		{time.Unix(0, 0), 0, 0},
		{time.Unix(1<<31, 999), 1 << 31, 0},
		{time.Unix(1<<32-1, 5e8), 1<<32 - 1, 0},
		{time.Unix(1<<32, 0), 1<<32 - 1, 1},
		{time.Unix(1<<40, 0), 1<<32 - 1, 1},
		{time.Unix(-5e9, 0), 0, 1},
		{time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), 0, 1},
		{time.Unix(-1, 5e8), 0, 1},
	} {
		n, report, err := nodeOf(&tar.Header{Typeflag: tar.TypeReg, ModTime: c.in})
		if err != nil || n.ModTime != c.want || report.Times != c.clamped {
			t.Errorf("%v: %d, %d clamped, %v", c.in, n.ModTime, report.Times, err)
		}
	}
}

func TestDevices(t *testing.T) {
	for _, c := range []struct {
		major, minor int64
		want         uint64 // of makedev(3)
		ok           bool
	}{
		{0, 0, 0, true}, {1, 3, 0x103, true}, {259, 65536, 0x10010300, true}, {4095, 1<<20 - 1, 0xfffffff | 0xf<<28, true},
		{4096, 0, 0, false}, {0, 1 << 20, 0, false}, {-1, 0, 0, false}, {0, -1, 0, false},
	} {
		n, report, err := nodeOf(&tar.Header{Typeflag: tar.TypeChar, Devmajor: c.major, Devminor: c.minor})
		if (err == nil) != c.ok || report.Devices != 1 {
			t.Errorf("%d:%d: error %v, %d devices", c.major, c.minor, err, report.Devices)
		}
		if err == nil && n.Rdev != c.want {
			t.Errorf("%d:%d: %#x, want %#x", c.major, c.minor, n.Rdev, c.want)
		}
	}
}

func TestXattrs(t *testing.T) {
	records := map[string]string{"path": "x", "LIBARCHIVE.xattr.user.x": "eA=="}
	for _, name := range []string{
		"user.b", "user.a", "user.\xff\xfe", "security.capability", "security.ima", // kept
		"trusted.overlay.opaque", "trusted.x", "user.overlay.opaque", "security.selinux", "system.posix_acl_access",
		"user.", "user", "", "user.\x00", "user." + strings.Repeat("n", 251), // dropped
	} {
		records["SCHILY.xattr."+name] = "v"
	}
	n, report, err := nodeOf(&tar.Header{Typeflag: tar.TypeReg, PAXRecords: records})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range n.Xattrs {
		names = append(names, x.Name)
	}
	if want := []string{"security.capability", "security.ima", "user.a", "user.b", "user.\xff\xfe"}; !slices.Equal(names, want) || report.Xattrs != 10 {
		t.Errorf("kept %q, dropped %d", names, report.Xattrs)
	}
}

func TestXattrsMerge(t *testing.T) {
	d := func(name, value string) ent { return ent{name: "d", flag: tar.TypeDir, pax: xattr(name, value)} }
	n := mustMerge(t, []ent{d("user.a", "1")}, []ent{d("user.c", "2")}, []ent{d("user.a", "3")}, []ent{d("user.b", "4")})
	if got := fmt.Sprintf("%s", n.Entries["d"].Xattrs); got != "[{user.a 3} {user.b 4} {user.c 2}]" {
		t.Errorf("attributes %s", got)
	}
}

func TestSymlinkTargets(t *testing.T) {
	for target, ok := range map[string]bool{"x": true, strings.Repeat("t", 4095): true, strings.Repeat("t", 4096): false, "": false, "a\x00b": false} {
		if _, _, err := nodeOf(&tar.Header{Typeflag: tar.TypeSymlink, Linkname: target}); (err == nil) != ok {
			t.Errorf("target of %d bytes: %v", len(target), err)
		}
	}
}

func TestReport(t *testing.T) {
	stack := []ent{
		{name: "null", flag: tar.TypeChar}, {name: "odd", flag: 'Z'}, wh(".wh..wh.aufs"),
		{name: "a", pax: xattr("trusted.x", "v")}, {flag: tar.TypeXGlobalHeader, pax: map[string]string{"comment": "c"}},
	}
	n, report, err := Merge(context.Background(), layersOf(t, stack), new(storing).store)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Report{Devices: 1, Xattrs: 1, Skipped: 2}); *report != want || paths(n) != "a null" {
		t.Errorf("%+v of %s", report, paths(n))
	}
	if w := report.Warnings(); len(w) != 3 || !strings.HasPrefix(w[0], "1 device nodes kept") {
		t.Errorf("warnings %q", w)
	}
	if w := (&Report{Rereads: 1}).Warnings(); w != nil {
		t.Errorf("warnings %q of nothing", w)
	}
}

// TestBadTar damages archives: the error is clear and comes soon.
func TestBadTar(t *testing.T) {
	whole := tarOf(t, []ent{file("a", strings.Repeat("x", 2000)), file("b", "y")})
	huge := bytes.Clone(whole)
	h := huge[1024:1536] // behind the PAX header that tarOf writes, if any
	if !bytes.HasPrefix(h, []byte("a\x00")) {
		h = huge[:512]
	}
	copy(h[124:136], "\x80\x00\x00\x00\x00\x00\x00\x19\x00\x00\x00\x00") // 100 GiB
	sum := 0
	copy(h[148:156], "        ")
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"truncated in a file":   {whole[:1500], "unexpected EOF"},
		"truncated in a header": {whole[:700], "unexpected EOF"},
		"size of 100 GiB":       {huge, "unexpected EOF"},
		"no tar":                {bytes.Repeat([]byte("text"), 300), "tar entry 1: archive/tar: invalid tar header"},
	} {
		_, _, err := Merge(context.Background(), []Layer{&memLayer{data: c.data}}, new(storing).store)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	for name, data := range map[string][]byte{"no byte": nil, "end marks": make([]byte, 1024), "much after the end": append(bytes.Clone(whole), "tail"...)} {
		l := &memLayer{data: data}
		if _, _, err := Merge(context.Background(), []Layer{l}, new(storing).store); err != nil || l.ends == 0 {
			t.Errorf("%s: %v, read to the end %d times", name, err, l.ends)
		}
	}
}

// TestSparse merges what GNU tar makes of a file that is mostly hole.
func TestSparse(t *testing.T) {
	if _, err := exec.LookPath("tar"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	create := func(name string, size int64) {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, err = f.WriteAt([]byte("data"), 1<<20)
		if err := errors.Join(err, f.Truncate(size)); err != nil {
			t.Fatal(err)
		}
	}
	create("small", 4<<20)
	create("large", 1<<40)
	for _, format := range []string{"--format=gnu", "--format=pax --sparse-version=0.0", "--format=pax --sparse-version=0.1", "--format=pax --sparse-version=1.0"} {
		pack := func(name string) Layer {
			args := append(strings.Fields(format), "-cSf", "-", "-C", dir, name)
			out, err := exec.Command("tar", args...).Output()
			if err != nil || len(out) > 1<<20 {
				t.Fatalf("tar %v: %d bytes, %v", args, len(out), err)
			}
			return &memLayer{data: out}
		}
		n, _, err := Merge(context.Background(), []Layer{pack("small")}, new(storing).store)
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		body := []byte(n.Entries["small"].Content.(Bytes))
		if len(body) != 4<<20 || string(bytes.Trim(body, "\x00")) != "data" || string(body[1<<20:1<<20+4]) != "data" {
			t.Errorf("%s: wrong content of %d bytes", format, len(body))
		}
		_, _, err = merge(context.Background(), []Layer{pack("large")}, discard, limits{metadata: 1 << 20, holes: 8 << 20})
		if err == nil || !strings.Contains(err.Error(), "too large once expanded") || hint.Of(err) == "" {
			t.Errorf("%s: error %v of 1 TiB", format, err)
		}
	}
}

// discard is a Store that keeps nothing.
func discard(r io.Reader, size int64) (Content, error) {
	_, err := io.Copy(io.Discard, r)
	return Bytes(nil), err
}
