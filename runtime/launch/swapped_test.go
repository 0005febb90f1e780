package launch

import (
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/plan"
)

// TestSwapped (T91): a directory that has to be the caller's is exchanged, all the time, for one of
// somebody else that anybody may write to. What a start takes is the one that it looked at: either
// the caller's, or there is an error, and nothing is written to the other.
func TestSwapped(t *testing.T) {
	dir := tempDir(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	mine, other := dir+"/mine", dir+"/other"
	must(errors.Join(os.Mkdir(mine, 0o755), os.Mkdir(dir+"/work", 0o755)))
	foreign := other
	if os.Getuid() == 0 {
		must(errors.Join(os.Mkdir(other, 0o755), os.Chmod(other, 0o777), os.Chown(other, 4711, 4711)))
	} else {
		foreign = "/var/tmp"
		must(os.Symlink(foreign, other))
	}
	var swaps atomic.Int64
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-ended:
				return
			default:
				if unix.Renameat2(unix.AT_FDCWD, mine, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE) == nil {
					swaps.Add(1)
				}
			}
		}
	}()
	const evil = "/sealift-test-swapped"
	worked, refused := 0, 0
	for i := range 60 {
		p := container(t, sh("echo x > "+evil))
		if i%2 == 0 {
			p.Ops = append([]plan.Op{p.Ops[0], plan.Do(plan.Overlay, "@root", root, mine, dir+"/work", "nosuid,nodev,own")}, p.Ops[2:]...)
		} else {
			p = writable(t, sh("echo x > /data"+evil), plan.Do(plan.Mkdir, "/data", "755"), plan.Do(plan.Bind, mine, "/data", "nosuid,nodev,own"))
		}
		switch r := start(t, p); {
		case r.err == nil && r.code == 0:
			worked++
		case r.err != nil && strings.Contains(r.err.Error(), "permission denied"):
			refused++
		default:
			t.Errorf("start %d: %q, status %d, %v", i, r.out, r.code, r.err)
		}
		if _, err := os.Lstat(foreign + evil); i == 0 && foreign == "/var/tmp" && !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("%s is there before, or cannot be looked at: %v", foreign+evil, err)
		}
	}
	close(ended)
	<-stopped
	if swaps.Load()%2 == 1 {
		must(unix.Renameat2(unix.AT_FDCWD, mine, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE))
	}
	if _, err := os.Lstat(foreign + evil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was written to the directory of somebody else: %v", err)
	}
	if worked == 0 || refused == 0 {
		t.Errorf("%d starts worked and %d were refused in %d exchanges: that is no race", worked, refused, swaps.Load())
	}
}
