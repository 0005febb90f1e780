package fromdocker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/image/build"
)

// TestCopy has what each instruction makes of /d.
func TestCopy(t *testing.T) {
	s := newSite(t)
	for name, text := range map[string]string{"a.txt": "a", "b.txt": "b", "dir/x": "x", "dir/sub/y.md": "y", "dir/sub/z": "z", "only/.hidden/h": "h"} {
		s.write(t, name, text)
	}
	if err := os.Chmod(s.path("a.txt"), 0o755|os.ModeSetuid|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"link": "dir", "dir/rel": "x", "up": "../outside"} {
		if err := os.Symlink(target, s.path(link)); err != nil {
			t.Fatal(err)
		}
	}
	s.write(t, "x.tgz", string(compressed(t, archived(t, "t/", "", "t/f", "in"))))
	s.write(t, "plain.gz", string(compressed(t, []byte("text"))))
	const top = ". 755 0:0\n"
	for _, c := range []struct{ do, want string }{
		{"COPY a.txt /d/", top + "a.txt 6755 0:0 a"},
		{"COPY b.txt /d/new/name", top + "new 755 0:0\nnew/name 644 0:0 b"},
		{"COPY *.txt d/", top + "a.txt 6755 0:0 a\nb.txt 644 0:0 b"},
		{"COPY dir /d", top + "rel -> x\nsub 755 0:0\nsub/y.md 644 0:0 y\nsub/z 644 0:0 z\nx 644 0:0 x"},
		{"COPY dir/sub dir/x /d/", top + "x 644 0:0 x\ny.md 644 0:0 y\nz 644 0:0 z"},
		{"COPY link/sub /d", top + "y.md 644 0:0 y\nz 644 0:0 z"},
		{"COPY dir/s*b/z /d/", top + "z 644 0:0 z"},
		{"COPY --exclude=**/*.md --exclude=x dir /d", top + "rel -> x\nsub 755 0:0\nsub/z 644 0:0 z"},
		{"COPY --exclude=a.* *.txt /d/", top + "b.txt 644 0:0 b"},
		{"COPY --parents dir/sub/z only/./.hidden/h /d/", top + ".hidden 755 0:0\n.hidden/h 644 0:0 h\ndir 755 0:0\ndir/sub 755 0:0\ndir/sub/z 644 0:0 z"},
		{"COPY --chmod=600 dir/x /d/", top + "x 600 0:0 x"},
		{"COPY --chmod=go= --chown=7 dir/sub /d/e/", ". 755 7:7\ne 755 7:7\ne/y.md 600 7:7 y\ne/z 600 7:7 z"},
		{"COPY --chown=app:staff b.txt /d/", ". 755 3:50\nb.txt 644 3:50 b"},
		{"COPY <<one <<two /d/\n1\none\n2\ntwo", top + "one 644 0:0 1\ntwo 644 0:0 2"},
		{"ADD x.tgz plain.gz /d/", top + "plain.gz 644 0:0 \x1f"},
		{"ADD --chown=1:2 x.tgz /d/", ". 755 1:2\nt 750 1:2\nt/f 640 1:2 in"},
		{"ADD x.tgz /d/", top + "t 750 5:6\nt/f 640 5:6 in"},
		{"COPY x.tgz /d/", top + "x.tgz 644 0:0 \x1f"},
		{"WORKDIR /d\nCOPY b.txt .", top + "b.txt 644 0:0 b"},
		{"USER 4:5\nWORKDIR /d/e", ". 755 4:5\ne 755 4:5"},
		{"COPY --from=base /etc/passwd /d/", top + "passwd 644 0:0 app:x:3:4::/home/app:"},
		{"COPY --from=0 /etc/ /d", top + "group 644 0:0 staff:x:50:\npasswd 644 0:0 app:x:3:4::/home/app:"},
	} {
		root := s.root(t, "FROM scratch AS base\nCOPY <<passwd <<group /etc/\napp:x:3:4::/home/app:\npasswd\nstaff:x:50:\ngroup\nFROM base\n"+c.do+"\n")
		got := list(t, root, "d")
		for _, binary := range []string{"plain.gz", "x.tgz"} { // their text is no matter
			if before, _, ok := strings.Cut(got, "\x1f"); ok && strings.Contains(before, binary) {
				got = before + "\x1f"
			}
		}
		if strings.HasPrefix(c.do, "ADD x.tgz plain.gz") {
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("%s:\n%q\nwant\n%q", c.do, got, c.want)
			}
			continue
		}
		if strings.HasPrefix(c.do, "COPY --from=0") {
			got = strings.ReplaceAll(strings.ReplaceAll(got, "hosts 644 0:0 \n", ""), "\nresolv.conf 644 0:0 ", "")
		}
		if got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.do, got, c.want)
		}
	}
}

// TestCopyRoot copies a whole stage, but for what makes it an image.
func TestCopyRoot(t *testing.T) {
	s := newSite(t)
	s.base(t, map[string]any{"Labels": map[string]string{"a": "b"}}, "f", "1")
	root := s.root(t, "FROM docker-archive:base.tar AS a\nFROM scratch\nCOPY --from=a / /\nCOPY --from=docker-archive:base.tar / /copy/\n")
	if n, err := root.Lookup("f"); err != nil || n.UID != 5 {
		t.Errorf("f: %+v, %v", n, err)
	}
	if got := list(t, root, ".singularity.d/labels.json"); strings.Contains(got, `"a"`) {
		t.Errorf("labels of a stage that is not the image's: %s", got)
	}
	for _, name := range []string{"copy/.singularity.d", "copy/.exec"} {
		if _, err := root.Lookup(name); err == nil {
			t.Errorf("/%s was copied", name)
		}
	}
}

func TestCopyNothing(t *testing.T) {
	s := newSite(t)
	s.root(t, "FROM scratch\nCOPY *.none /d/\n")
	if !strings.Contains(strings.Join(s.log, "\n"), "no file matches") {
		t.Errorf("nobody is told: %q", s.log)
	}
	s.write(t, "a", "")
	s.write(t, "b", "")
	if err := s.build(t, "FROM scratch\nCOPY [ab] /d\n"); err == nil || !strings.Contains(err.Error(), "2 files for /d") {
		t.Errorf("two files for one name: %v", err)
	}
	s.write(t, "x.tar.xz", "\xfd7zXZ\x00...")
	if err := s.build(t, "FROM scratch\nADD x.tar.xz /\n"); err == nil || hint.Of(err) == "" {
		t.Errorf("xz: %v", err)
	}
}

// TestContext leaves out what .dockerignore says, and what the build writes.
func TestContext(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"keep", "a.log", "logs/x", "logs/keep", "sub/a.log", "sub/b"} {
		s.write(t, name, name)
	}
	s.write(t, ".dockerignore", "**/*.log\nlogs\n!logs/keep\n.dockerignore\n")
	var err error
	if s.input.Context, err = OpenContext(s.dir, s.path("Dockerfile")); err != nil {
		t.Fatal(err)
	}
	const want = ". 755 0:0\nkeep 644 0:0 keep\nlogs 755 0:0\nlogs/keep 644 0:0 logs/keep\nsub 755 0:0\nsub/b 644 0:0 sub/b"
	if got := list(t, s.root(t, "FROM scratch\nCOPY . /d\n"), "d"); got != want {
		t.Errorf("got\n%s", got)
	}
	if err := s.build(t, "FROM scratch\nCOPY a.log /d\n"); err == nil || !strings.Contains(err.Error(), ".dockerignore") {
		t.Errorf("an ignored file: %v", err)
	}
	// The file beside the Dockerfile comes first.
	s.write(t, "Dockerfile.dockerignore", "*\n!keep\n")
	if s.input.Context, err = OpenContext(s.dir, s.path("Dockerfile")); err != nil {
		t.Fatal(err)
	}
	if got := list(t, s.root(t, "FROM scratch\nCOPY . /d\n"), "d"); got != ". 755 0:0\nkeep 644 0:0 keep" {
		t.Errorf("got\n%s", got)
	}
	s.write(t, "Dockerfile.dockerignore", "[\n")
	if _, err = OpenContext(s.dir, s.path("Dockerfile")); err == nil {
		t.Error("a bad pattern is accepted")
	}
	for _, dir := range []string{s.path("none"), s.path("keep")} {
		if _, err := OpenContext(dir, filepath.Join(dir, "Dockerfile")); hint.Of(err) == "" {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// TestReadsOnlyWhatItTakes has a directory that cannot be read beside what is
// copied.
func TestReadsOnlyWhatItTakes(t *testing.T) {
	s := newSite(t)
	s.write(t, "a", "a")
	if err := os.Mkdir(s.path("locked"), 0o000); err != nil {
		t.Fatal(err)
	}
	apart.GiveUser(t, s.dir)
	apart.AsUser(func() {
		if err := s.build(t, "FROM scratch\nCOPY a /\n"); err != nil {
			t.Error(err)
		}
		if err := s.build(t, "FROM scratch\nCOPY . /\n"); err == nil || hint.Of(err) == "" {
			t.Errorf("a directory that cannot be read: %v", err)
		}
	})
}

func TestLeads(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "a/b", true}, {"a", "a", true}, {"a", "a/b", true}, {"a/b", "a", true}, {"a/b", "a/c", false}, {"*.go", "x.go", true},
		{"*.go", "x", false}, {"a*/b", "ax/b/c", true}, {"a*/b", "bx", false},
	} {
		if got := leads(c.pattern, c.name); got != c.want {
			t.Errorf("%q leads to %q: %v", c.pattern, c.name, got)
		}
	}
}

func TestAbridged(t *testing.T) {
	for source, want := range map[string]string{
		"RUN a": "RUN a", "RUN a \\\n b": "RUN a ...", "  COPY   a\tb ": "COPY a b",
		"RUN " + strings.Repeat("x", 100): "RUN " + strings.Repeat("x", maxShown-4) + " ...",
	} {
		if got := abridged(source); got != want {
			t.Errorf("%q is %q", source, got)
		}
	}
	if got := (&instruction{&walk{at: build.At{Label: "s"}}, stepOf("add x y")}).Name(); got != "s:add" {
		t.Errorf("name %q", got)
	}
}
