package output

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"
)

func openedDir(t *testing.T, path string) *os.File {
	t.Helper()
	d, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	return d
}

// CreateIn follows the directory, not its name.
func TestCreateIn(t *testing.T) {
	top := t.TempDir()
	asUser(t, top, func() {
		must(t, os.Mkdir(top+"/dir", 0o700))
		d := openedDir(t, top+"/dir")
		f, err := CreateIn(d, "out", Options{Mode: 0o600})
		must(t, err)
		fill(t, f, "new")
		must(t, os.Rename(top+"/dir", top+"/moved"))
		must(t, os.Mkdir(top+"/dir", 0o700))
		must(t, f.Commit())
		wantFile(t, top+"/moved/out", "new")
		if got := list(t, top+"/dir") + list(t, top+"/moved"); got != "out" {
			t.Errorf("left over: %q", got)
		}
		_, err = CreateIn(d, "out", Options{})
		wantError(t, err, "create "+top+"/dir/out: file already exists", "use --force")
		f, err = CreateIn(d, "out", Options{Force: true})
		must(t, err)
		must(t, f.Abort())
		_, err = d.Stat() // the directory is still open
		must(t, err)
	})
}

// RemoveIn removes whatever has the name, and nothing that it leads to.
func TestRemoveIn(t *testing.T) {
	top := t.TempDir()
	asUser(t, top, func() {
		write(t, top+"/victim", "victim", 0o600)
		must(t, os.MkdirAll(top+"/dir/tree/sub", 0o700))
		write(t, top+"/dir/tree/sub/file", "", 0o600)
		must(t, os.Symlink(top, top+"/dir/tree/up"))
		must(t, os.Chmod(top+"/dir/tree/sub", 0o500))
		must(t, os.Symlink("../victim", top+"/dir/link"))
		write(t, top+"/dir/file", "", 0o400)
		d := openedDir(t, top+"/dir")
		for _, name := range []string{"tree", "link", "file"} {
			must(t, RemoveIn(d, name))
			if err := RemoveIn(d, name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a second time: %v", err)
			}
		}
		if got := list(t, top+"/dir"); got != "" {
			t.Errorf("left over: %q", got)
		}
		wantFile(t, top+"/victim", "victim")
	})
}

func TestSweepIn(t *testing.T) {
	top := t.TempDir()
	asUser(t, top, func() {
		for _, name := range []string{".old", ".young", "visible"} {
			write(t, top+"/"+name, "", 0o600)
			if name != ".young" {
				must(t, os.Chtimes(top+"/"+name, time.Time{}, time.Unix(1, 0)))
			}
		}
		must(t, SweepIn(openedDir(t, top), "."))
		if got := list(t, top); got != ".young visible" {
			t.Errorf("there is %q", got)
		}
	})
}

// Rename has a file appear under a name that was not known at first.
func TestRename(t *testing.T) {
	bothWays(t, func(t *testing.T, create start) {
		top := t.TempDir()
		asUser(t, top, func() {
			write(t, top+"/taken", "old", 0o600)
			f, err := create(top+"/first", Options{Mode: 0o600})
			must(t, err)
			fill(t, f, "new")
			wantError(t, f.Rename("taken"), "create "+top+"/taken: file already exists", "use --force")
			must(t, f.Rename("last"))
			must(t, f.Commit())
			wantFile(t, top+"/last", "new")
			wantFile(t, top+"/taken", "old")
			if got := list(t, top); got != "last taken" {
				t.Errorf("there is %q", got)
			}
		})
	})
}
