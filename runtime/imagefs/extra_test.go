package imagefs

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/starter/plan"
)

func TestExtras(t *testing.T) {
	a := mount(t, asUserRoot, images(t).plain, Options{Extra: []plan.Op{
		plan.Do(plan.Mkdir, "/scratch/a/b", "0700"),
		plan.Do(plan.Mkdir, "/usr/bin", "0700"),                  // exists
		plan.Do(plan.Mkdir, "/bin/plugins", "0711"),              // bin -> usr/bin
		plan.Do(plan.Mkdir, "/var/run/slurm", "0755"),            // var/run -> ../run
		plan.Do(plan.Mkdir, "/dangling", "0750"),                 // -> no/where
		plan.Do(plan.Mkdir, "/loop/point", "0755"),               // loop -> loop
		plan.Do(plan.Mkdir, "/../up/../../x/./opt//data", "755"), // up -> ../../../../etc
		plan.Do(plan.Mkfile, "/var/lock/file", "0640"),           // var/lock -> /run/lock
		plan.Do(plan.Mkfile, "/etc/group", "0600"),               // exists
		plan.Do(plan.Mkfile, "/abs", "0600"),                     // -> /etc/passwd
		plan.Do(plan.Write, "/etc/passwd", "0644", "me:x:1000:1000::/:/bin/sh\n"),
		plan.Do(plan.Write, "/etc/passwd", "0444", "again\n"),
		plan.Do(plan.Write, "/.run/action", "0755", "#!/bin/sh\n"),
		plan.Do(plan.Write, "/long", "0644", "was a link"),
		plan.Do(plan.Symlink, "/etc/mtab", "/proc/mounts"),
		plan.Do(plan.Symlink, "/fifo", "files"),
		plan.Do(plan.Symlink, "/here", "scratch/a"),
		plan.Do(plan.Mkdir, "/here/c", "0755"), // through a link just made
		plan.Do(plan.Write, "/files", "0644", "was a directory"),
		plan.Do(plan.Write, "/big/zz", "0644", strings.Repeat("z", 300_000)),
	}})
	got := map[string]file{}
	a.must(&got, "walk", ".")
	want := expect(t, single(0))
	maps.DeleteFunc(want, func(name string, _ file) bool { return strings.HasPrefix(name, "files/") })
	addShown(got, want)
	for name, f := range want {
		f.Xattrs = ""
		want[name] = f
	}
	compare(t, got, want)
	if err := a.server.Err(); err != nil {
		t.Error(err)
	}
	inodes := map[string]string{}
	var out string
	a.must(&out, "sh", "find . ! -type l ! -path ./big/\\* -printf '%i %p\\n'")
	for line := range strings.Lines(out) {
		ino, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if other := inodes[ino]; other != "" {
			t.Errorf("%s and %s have the same inode number", other, name)
		}
		inodes[ino] = name
	}
}

// addShown adds to want what TestExtras' operations make. Contents and times
// are not judged here.
func addShown(got, want map[string]file) {
	const dir, reg, link = unix.S_IFDIR, unix.S_IFREG, unix.S_IFLNK
	for name, f := range map[string]file{
		"scratch": {Mode: dir | 0o755, Nlink: 3}, "scratch/a": {Mode: dir | 0o755, Nlink: 4},
		"scratch/a/b": {Mode: dir | 0o700, Nlink: 2}, "scratch/a/c": {Mode: dir | 0o755, Nlink: 2},
		"usr/bin/plugins": {Mode: dir | 0o711, Nlink: 2}, "run/slurm": {Mode: dir | 0o755, Nlink: 2},
		"no": {Mode: dir | 0o755, Nlink: 3}, "no/where": {Mode: dir | 0o750, Nlink: 2},
		"loop": {Mode: dir | 0o755, Nlink: 3}, "loop/point": {Mode: dir | 0o755, Nlink: 2},
		"x": {Mode: dir | 0o755, Nlink: 3}, "x/opt": {Mode: dir | 0o755, Nlink: 3},
		"x/opt/data":    {Mode: dir | 0o755, Nlink: 2},
		"run/lock":      {Mode: dir | 0o755, Nlink: 2},
		"run/lock/file": {Mode: reg | 0o640, Nlink: 1},
		"etc/passwd":    {Mode: reg | 0o444, Nlink: 1, Size: 6},
		".run":          {Mode: dir | 0o755, Nlink: 2}, ".run/action": {Mode: reg | 0o755, Nlink: 1, Size: 10},
		"long":     {Mode: reg | 0o644, Nlink: 1, Size: 10},
		"etc/mtab": {Mode: link | 0o777, Nlink: 1, Size: 12, Link: "/proc/mounts"},
		"fifo":     {Mode: link | 0o777, Nlink: 1, Size: 5, Link: "files"},
		"here":     {Mode: link | 0o777, Nlink: 1, Size: 9, Link: "scratch/a"},
		"files":    {Mode: reg | 0o644, Nlink: 1, Size: 15},
		"big/zz":   {Mode: reg | 0o644, Nlink: 1, Size: 300_000},
	} {
		f.Sum, f.MTime = got[name].Sum, got[name].MTime
		want[name] = f
	}
	for name, more := range map[string]int{".": 5 - 1, "usr/bin": 1, "run": 2} {
		f := want[name]
		f.Nlink += uint64(more)
		want[name] = f
	}
}

func TestExtraContents(t *testing.T) {
	large := strings.Repeat("0123456789", 100_000)
	a := mount(t, asUserRoot, images(t).plain, Options{Extra: []plan.Op{
		plan.Do(plan.Write, "/etc/passwd", "0444", "mine\n"),
		plan.Do(plan.Write, "/large", "0444", large),
		plan.Do(plan.Mkfile, "/etc/group", "0444"),
		plan.Do(plan.Mkfile, "/etc/hosts", "0444"),
		plan.Do(plan.Symlink, "/etc/shadow", "hosts"),
	}})
	for name, want := range map[string]string{
		"etc/passwd": "mine\n", "abs": "mine\n", "large": large, "etc/group": "root:x:0:\n", "etc/hosts": "", "etc/shadow": "",
	} {
		var got string
		if err := a.do(&got, "read", name); name == "abs" {
			continue // leads to the host's file when read from outside
		} else if err != nil || got != want {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	var etc []string
	a.must(&etc, "names", "etc", "4096")
	slices.Sort(etc)
	if want := []string{".", "..", "group", "hosts", "passwd", "shadow"}; !slices.Equal(etc, want) {
		t.Errorf("etc holds %q", etc)
	}
}

func TestExtraErrors(t *testing.T) {
	r := open(t, images(t).plain)
	for want, op := range map[string]plan.Op{
		"not a directory":             plan.Do(plan.Mkdir, "/etc/passwd/x", "0755"),
		"is a directory":              plan.Do(plan.Write, "/", "0755", ""),
		"file name too long":          plan.Do(plan.Mkdir, "/"+strings.Repeat("x", 256)+"/y", "0755"),
		"target: file name too long":  plan.Do(plan.Symlink, "/x", strings.Repeat("x", 4096)),
		"the path is not absolute":    plan.Do(plan.Mkdir, "@root/x", "0755"),
		"arguments instead of":        plan.Do(plan.Mkfile, "/x"),
		"is not octal":                plan.Do(plan.Mkfile, "/x", "99"),
		"cannot show this operation":  plan.Do(plan.Bind, "/a", "/b", ""),
		"cannot show this operation ": {},
	} {
		_, err := New(r, Options{Extra: []plan.Op{op}})
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("%v: got %v, want %s", op, err, want)
		}
	}
	_, err := New(r, Options{Extra: []plan.Op{plan.Do(plan.Mkdir, "/etc/passwd/x", "0755")}})
	if text := err.Error(); !strings.HasSuffix(text, `mkdir ["/etc/passwd/x"]: passwd: not a directory`) || hint.Of(err) == "" {
		t.Errorf("%s (%s)", text, hint.Of(err))
	}
}

// FuzzExtras: whatever the path and the link in it, what was made is found
// there, and listings agree with lookups.
func FuzzExtras(f *testing.F) {
	r := open(f, images(f).plain)
	for _, path := range []string{"/a/b", "/var/run/../x", "/loop/loop", "/../../up/./y/", "/dangling", "/l/z"} {
		f.Add(path, "/var/../"+path)
		f.Add("/l"+path, "l/1")
	}
	f.Fuzz(func(t *testing.T, path, link string) {
		s, err := New(r, Options{Extra: []plan.Op{
			plan.Do(plan.Symlink, "/l", link), plan.Do(plan.Mkdir, path, "0755"), plan.Do(plan.Mkfile, "/l/f", "0644"),
		}})
		if err != nil {
			return
		}
		at, err := s.resolve(path, true)
		if err != nil || !at.found {
			t.Errorf("%q is not found: %v", path, err)
		}
		for _, x := range s.extras {
			if !x.isDir() {
				continue
			}
			l, err := s.list(x.node())
			if err != nil {
				t.Fatal(err)
			}
			for i := range l.len() - 2 {
				name := ""
				if i < len(l.entries) {
					name = l.entries[i].Name
				} else {
					name = l.extras.names[i-len(l.entries)]
				}
				if _, err := s.lookup(x.node(), name); err != nil {
					t.Errorf("%q is listed: %v", name, err)
				}
			}
		}
	})
}
