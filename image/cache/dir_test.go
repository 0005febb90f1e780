package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

// A directory that others may write to is refused, with what to do.
func TestWritableByOthers(t *testing.T) {
	dir := userDir(t)
	apart.AsUser(func() {
		for _, mode := range []uint32{0o777, 0o1777, 0o720, 0o702} {
			must(t, unix.Chmod(dir, mode))
			_, err := Open(dir, Options{})
			wantError(t, err, "others may write to the cache "+dir, "chmod 700 "+dir)
			if errors.Is(err, ErrUnavailable) {
				t.Error("that may be ignored")
			}
		}
		must(t, unix.Chmod(dir, 0o755))
		c := open(t, dir, Options{})
		must(t, unix.Mkdir(dir+"/test", 0o700))
		must(t, unix.Chmod(dir+"/test", 0o770))
		_, err := c.Put(context.Background(), testID(1), "", fill(""))
		wantError(t, err, "others may write to the cache "+dir+"/test", "chmod 700 "+dir+"/test")
		_, err = c.List()
		wantError(t, err, "others may write", "chmod")
	})
}

// What another user has made in a shared directory is refused.
func TestOtherOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		apart.Skip(t, "only root can make what belongs to another user")
	}
	shared := t.TempDir()
	must(t, os.Chmod(shared, 0o1777))
	mine := shared + "/mine"
	must(t, os.Mkdir(mine, 0o700))
	foreign := userDir(t)

	_, err := Open(foreign, Options{})
	wantError(t, err, "belongs to user 1500", "set SEALIFT_CACHEDIR to a directory of your own")
	if errors.Is(err, ErrUnavailable) {
		t.Error("another user's directory may be ignored")
	}
	must(t, os.Symlink(mine, shared+"/link"))
	open(t, shared+"/link", Options{}) // the caller's own link
	must(t, os.Lchown(shared+"/link", apart.UserID, apart.UserID))
	for _, path := range []string{"/link", "/link/"} {
		_, err = Open(shared+path, Options{})
		wantError(t, err, "is a symbolic link made by user 1500", "set SEALIFT_CACHEDIR")
	}

	c := open(t, mine, Options{})
	put(t, c, testID(1), "mine")
	must(t, os.Chown(mine+"/"+testID(1).String(), apart.UserID, apart.UserID))
	if _, err := c.Get(testID(1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another user's entry: %v", err)
	}
	must(t, os.Chown(mine+"/test", apart.UserID, apart.UserID))
	_, err = c.Get(testID(1))
	wantError(t, err, "belongs to user 1500", "set SEALIFT_CACHEDIR")
}

// Another user neither lists nor reads anything, nor gets the cache.
func TestOtherReader(t *testing.T) {
	if os.Geteuid() != 0 {
		apart.Skip(t, "only root can become another user")
	}
	top := userDir(t)
	must(t, os.Chown(top, 0, 0))
	dir := top + "/cache"
	put(t, open(t, dir, Options{}), testID(1), "secret")
	apart.AsUser(func() {
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrUnavailable) || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Open: %v", err)
		}
		if _, err := os.ReadDir(dir); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("ReadDir: %v", err)
		}
		if _, err := os.ReadFile(dir + "/" + testID(1).String()); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("ReadFile: %v", err)
		}
		// Nor can this user make one where root has not let them.
		_, err := Open(top+"/mine", Options{})
		wantError(t, err, "permission denied", "set SEALIFT_CACHEDIR")
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("it is %v", err)
		}
	})
}

// A directory of the user's that is not writable is read, and that is all.
func TestUnwritableDirectory(t *testing.T) {
	dir := userDir(t)
	apart.AsUser(func() {
		c := open(t, dir, Options{MaxBytes: 1 << 20})
		put(t, c, testID(1), "there")
		must(t, unix.Chmod(dir+"/test", 0o500))
		must(t, unix.Chmod(dir, 0o500))
		e, err := c.Get(testID(1))
		must(t, err)
		wantContent(t, e, "there")
		for _, id := range []ID{testID(2), {"other", testID(1).Key}} {
			_, err := c.Put(context.Background(), id, "", func(*os.File) error { t.Error("called"); return nil })
			wantError(t, err, "permission denied", "set SEALIFT_CACHEDIR")
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("it is %v", err)
			}
		}
		must(t, unix.Chmod(dir, 0o700))
		must(t, unix.Chmod(dir+"/test", 0o700))
	})
}

// What is no directory cannot be a cache, and nothing waits for it.
func TestNoDirectory(t *testing.T) {
	top := t.TempDir()
	must(t, os.WriteFile(top+"/file", nil, 0o600))
	must(t, unix.Mkfifo(top+"/fifo", 0o600))
	must(t, os.Symlink("nowhere", top+"/dangling"))
	for _, name := range []string{"/file", "/fifo", "/dangling", "/file/below"} {
		_, err := Open(top+name, Options{})
		wantError(t, err, top, "set SEALIFT_CACHEDIR")
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The directory of a kind is one, not a link to one, nor a file.
func TestHostileKind(t *testing.T) {
	top := t.TempDir()
	dir, victim := top+"/cache", top+"/victim"
	must(t, os.Mkdir(victim, 0o700))
	c := open(t, dir, Options{})
	must(t, os.Symlink(victim, dir+"/link"))
	must(t, os.WriteFile(dir+"/file", nil, 0o600))
	must(t, unix.Mkfifo(dir+"/fifo", 0o600))
	for _, kind := range []string{"link", "file", "fifo"} {
		id := ID{kind, testID(1).Key}
		_, getErr := c.Get(id)
		_, putErr := c.Put(context.Background(), id, "", func(*os.File) error { t.Error("called"); return nil })
		for _, err := range []error{getErr, putErr, c.Remove(id)} {
			wantError(t, err, dir+"/"+kind, "remove "+dir+"/"+kind)
		}
	}
	if names, err := os.ReadDir(victim); err != nil || len(names) > 0 {
		t.Errorf("the victim has %v (%v)", names, err)
	}
}

// A cache whose directory is removed or moved meanwhile does not write
// anywhere else.
func TestDirectoryGone(t *testing.T) {
	top := t.TempDir()
	c := open(t, top+"/cache", Options{})
	must(t, os.Rename(top+"/cache", top+"/moved"))
	put(t, c, testID(1), "moved")
	if got := list(t, top+"/moved"); got != testID(1).String() {
		t.Errorf("there is %q", got)
	}
	must(t, os.RemoveAll(top+"/moved"))
	if _, err := c.Put(context.Background(), testID(1), "", fill("")); !errors.Is(err, ErrUnavailable) {
		t.Errorf("after its removal: %v", err)
	}
	if names, err := os.ReadDir(top); err != nil || len(names) > 0 {
		t.Errorf("there is %v (%v)", names, err)
	}
}
