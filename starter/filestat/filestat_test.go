package filestat

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOld compares the two calls in all that both know.
func TestOld(t *testing.T) {
	dir := t.TempDir()
	file, again, link := filepath.Join(dir, "file"), filepath.Join(dir, "again"), filepath.Join(dir, "link")
	for _, err := range []error{os.WriteFile(file, []byte("content"), 0o640), os.Link(file, again), os.Symlink("file", link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{dir, file, link, "/dev/null"} {
		var now, then unix.Statx_t
		if err := At(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &now); err != nil {
			t.Fatal(err)
		}
		if err := old(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, &then); err != nil {
			t.Fatal(err)
		}
		now.Mask, now.Attributes, now.Attributes_mask, now.Mnt_id = then.Mask, 0, 0, 0
		if now != then {
			t.Errorf("%s: %+v, not %+v", path, then, now)
		}
	}
	var st unix.Statx_t
	for name, stat := range map[string]func() error{
		"statx":   func() error { return At(unix.AT_FDCWD, filepath.Join(dir, "none"), 0, unix.STATX_BASIC_STATS, &st) },
		"fstatat": func() error { return old(unix.AT_FDCWD, filepath.Join(dir, "none"), 0, &st) },
	} {
		if err := stat(); err != unix.ENOENT {
			t.Errorf("%s: %v", name, err)
		}
	}
}
