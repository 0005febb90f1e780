package volume

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/layout"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens a directory, to write to it or not, until the end of the test.
func open(t *testing.T, path string, write bool) *Volume {
	t.Helper()
	list, err := Open(layout.Want{Path: path, Use: image.Layer, Write: write}, image.Options{})
	must(t, err)
	if len(list) != 1 {
		t.Fatalf("%s: %d volumes", path, len(list))
	}
	t.Cleanup(func() { must(t, list[0].Close()) })
	return list[0]
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/file", nil, 0o600))
	if v := open(t, dir, false); v.Directory.Upper || v.Info.FS == nil || v.Directory.Owner != uint32(os.Getuid()) {
		t.Errorf("read-only: %+v", v.Volume)
	} else if _, err := v.Info.FS.Stat("file"); err != nil {
		t.Error(err)
	}
	if v := open(t, t.TempDir(), true); v.Directory.Upper || v.Info.FS != nil || v.Directory.Closed {
		t.Errorf("a new one: %+v", v.Volume)
	}
	used := t.TempDir()
	must(t, os.MkdirAll(used+"/upper/in", 0o700))
	if v := open(t, used, true); !v.Directory.Upper || v.Info.FS == nil {
		t.Errorf("one with files: %+v", v.Volume)
	} else if _, err := v.Info.FS.Stat("in"); err != nil {
		t.Error(err)
	}
}

// TestLocked has one container write at a time, and none read meanwhile.
func TestLocked(t *testing.T) {
	dir := t.TempDir()
	try := func(write bool) error {
		list, err := Open(layout.Want{Path: dir, Use: image.Layer, Write: write}, image.Options{})
		if err == nil {
			err = list[0].Close()
		}
		return err
	}
	v, err := openDirectory(layout.Want{Path: dir, Write: true})
	must(t, err)
	for write, want := range map[bool]string{true: "another container uses it", false: "another container writes to it"} {
		if err := try(write); err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("while one writes: %v", err)
		}
	}
	must(t, v.Close())
	open(t, dir, false)
	must(t, try(false))
	if err := try(true); err == nil {
		t.Error("it is written to while it is read")
	}
}

func TestNoDirectory(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/upper", nil, 0o600))
	for _, path := range []string{dir, dir + "/upper", dir + "/none"} {
		if _, err := Open(layout.Want{Path: path, Use: image.Layer}, image.Options{}); err == nil {
			t.Errorf("%s is opened", path)
		}
	}
	if _, err := Open(layout.Want{Path: dir, Use: image.Data}, image.Options{}); err == nil || hint.Of(err) == "" {
		t.Errorf("a directory as an image: %v", err)
	}
}

// TestPermission tells what cannot be written to by whom.
func TestPermission(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		dir := apart.Tmpfs(t, "")
		must(t, os.Mkdir(dir+"/in", 0o755))
		must(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
		if v := open(t, filepath.Join(dir, "in"), true); !v.Directory.ReadOnly || v.Directory.Closed {
			t.Errorf("a read-only file system: %+v", v.Directory)
		}
	})
	if os.Getuid() != 0 {
		dir := t.TempDir()
		must(t, os.Chmod(dir, 0o500))
		if v := open(t, dir, true); !v.Directory.Closed {
			t.Errorf("a closed directory: %+v", v.Directory)
		}
		if _, err := Open(layout.Want{Path: "/root", Use: image.Layer}, image.Options{}); err == nil || hint.Of(err) == "" {
			t.Errorf("a directory that cannot be read: %v", err)
		}
	}
}
