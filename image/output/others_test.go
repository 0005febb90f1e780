package output

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

// TestHardLinkT90: an output whose name is another name of somebody's file, or a mount
// point, leaves that file as it is, also where it is the user's own to write to.
func TestHardLinkT90(t *testing.T) {
	bothWays(t, func(t *testing.T, create start) {
		dir := t.TempDir()
		must(t, os.Mkdir(dir+"/mine", 0o755))
		write(t, dir+"/victim", "precious", 0o666)
		must(t, os.Chmod(dir+"/victim", 0o666))
		must(t, os.Link(dir+"/victim", dir+"/mine/out"))
		var before, after unix.Stat_t
		must(t, unix.Stat(dir+"/victim", &before))
		asUser(t, dir+"/mine", func() {
			_, err := create(dir+"/mine/out", Options{Mode: 0o600})
			wantError(t, err, dir+"/mine/out", "--force")
			for _, commit := range []bool{false, true} {
				f, err := create(dir+"/mine/out", Options{Force: true, Mode: 0o600})
				must(t, err)
				fill(t, f, "new")
				if commit {
					must(t, f.Commit())
				}
				must(t, f.Abort())
			}
		})
		wantFile(t, dir+"/mine/out", "new")
		wantFile(t, dir+"/victim", "precious")
		must(t, unix.Stat(dir+"/victim", &after))
		if after.Ino != before.Ino || after.Mode != before.Mode || after.Mtim != before.Mtim || after.Nlink != 1 {
			t.Errorf("the other name's file was %+v, is %+v", before, after)
		}
	})
}

// TestFileMountT90: a file that is mounted over the output's name is not written to.
func TestFileMountT90(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir+"/victim", "precious", 0o644)
		write(t, dir+"/out", "old", 0o644)
		must(t, unix.Mount(dir+"/victim", dir+"/out", "", unix.MS_BIND, ""))
		f, err := Create(dir+"/out", Options{Force: true, Mode: 0o644})
		must(t, err)
		fill(t, f, "new")
		wantError(t, f.Commit(), "busy", "")
		must(t, f.Abort())
		must(t, unix.Unmount(dir+"/out", unix.MNT_DETACH))
		wantFile(t, dir+"/victim", "precious")
		wantFile(t, dir+"/out", "old")
		if got := list(t, dir); got != "out victim" {
			t.Errorf("left over: %q", got)
		}
	})
}

const immutable = 0x10 // FS_IMMUTABLE_FL of linux/fs.h

// setImmutable sets or clears the flag of chattr(1), or skips.
func setImmutable(t *testing.T, path string, on bool) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		flags &^= immutable
		if on {
			flags |= immutable
		}
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags))
	}
	if err != nil {
		t.Skip("no immutable files here: ", err)
	}
}

// TestRemoveImmutable (T73): what cannot be removed is named, once, with what lifts it;
// all else is removed.
func TestRemoveImmutable(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes files immutable")
	}
	parent := t.TempDir()
	d, err := TempDir(parent, "build")
	must(t, err)
	must(t, os.MkdirAll(d.Path()+"/root/etc", 0o755))
	for _, name := range []string{"a", "etc/hard", "z"} {
		write(t, d.Path()+"/root/"+name, "", 0o644)
	}
	hard := d.Path() + "/root/etc/hard"
	setImmutable(t, hard, true)
	defer setImmutable(t, hard, false)
	err = d.Remove()
	wantError(t, err, filepath.Base(d.Path())+"/root/etc/hard: operation not permitted", "chattr -i")
	if strings.Count(err.Error(), "not permitted") != 1 {
		t.Errorf("it is told more than once: %v", err)
	}
	if got := list(t, d.Path()) + " " + list(t, d.Path()+"/root") + " " + list(t, d.Path()+"/root/etc"); got != "root etc hard" {
		t.Errorf("left over: %q", got)
	}
}

// TestTempDirRaceT89: somebody who sees each name as it appears in a sticky directory,
// and puts things of their own in its place, hinders nothing and gets nothing.
func TestTempDirRaceT89(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be two users")
	}
	dir := t.TempDir()
	must(t, unix.Chmod(dir, 0o1777))
	apart.GiveUser(t, t.TempDir()) // opens the directories above
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	stop, tries, wins := make(chan struct{}), 0, []string(nil)
	var racer sync.WaitGroup
	racer.Go(func() {
		apart.AsUser(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				names, won := harass(dir)
				tries, wins = tries+names, append(wins, won...)
			}
		})
	})
	for range 300 {
		d, err := TempDir(dir, "sealift-build")
		must(t, err)
		write(t, d.Path()+"/script", "mine", 0o666)
		wantFile(t, d.Path()+"/script", "mine")
		must(t, d.Remove())
	}
	close(stop)
	racer.Wait()
	if tries == 0 || len(wins) > 0 {
		t.Errorf("the other user saw %d names, and did %q", tries, wins)
	}
}

// harass tries what another user can with each name in dir, and returns how many there
// were and what came of it. Names of its own it leaves alone.
func harass(dir string) (names int, won []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		var st unix.Stat_t
		if unix.Lstat(path, &st) != nil || st.Uid != 0 {
			continue
		}
		names++
		for what, try := range map[string]func() error{
			"rename": func() error { return unix.Rename(path, dir+"/away") },
			"rmdir":  func() error { return unix.Rmdir(path) },
			"list":   func() error { _, err := os.ReadDir(path); return err },
			"read":   func() error { _, err := os.ReadFile(path + "/script"); return err },
			"write":  func() error { return os.WriteFile(path+"/evil", nil, fs.ModePerm) },
			"chmod":  func() error { return unix.Chmod(path, 0o777) },
		} {
			if try() == nil {
				won = append(won, what+" "+e.Name())
			}
		}
		_ = os.Symlink("/etc", path) // as soon as it is gone
		if unix.Lstat(path, &st) == nil && st.Uid == apart.UserID {
			_ = os.Remove(path)
		}
	}
	return names, won
}

// TestTakenNamesT89: names that somebody made first, of whatever kind, are left to them.
func TestTakenNamesT89(t *testing.T) {
	dir := t.TempDir()
	at, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(at)
	var taken []string
	for _, take := range []func(path string) error{
		func(path string) error { return os.Mkdir(path, 0o777) },
		func(path string) error { return os.Symlink("/etc", path) },
		func(path string) error { return os.Symlink("/nowhere", path) },
		func(path string) error { return os.WriteFile(path, nil, 0o666) },
		func(path string) error { return unix.Mkfifo(path, 0o666) },
	} {
		first := true
		name, err := uniqueName("sealift-", func(name string) error {
			if first {
				first = false
				taken = append(taken, name)
				must(t, take(filepath.Join(dir, name)))
			}
			return unix.Mkdirat(at, name, 0o700)
		})
		must(t, err)
		if name == taken[len(taken)-1] {
			t.Errorf("%s was taken", name)
		}
	}
	if got := len(strings.Fields(list(t, dir))); got != 2*len(taken) {
		t.Errorf("there are %d names", got)
	}
}
