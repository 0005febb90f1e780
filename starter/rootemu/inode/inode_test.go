package inode

import (
	"math"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPlain(t *testing.T) {
	var p Plain
	old := unix.Statx_t{Ino: 7, Ctime: unix.StatxTimestamp{Sec: 1}}
	p.Add(&old)
	recent := unix.Statx_t{Ino: 8, Ctime: unix.StatxTimestamp{Sec: math.MaxInt64}}
	p.Add(&recent)
	changed := old
	changed.Ctime.Nsec = 1
	if !p.Has(&old) || p.Has(&recent) || p.Has(&changed) {
		t.Errorf("%v %v %v", p.Has(&old), p.Has(&recent), p.Has(&changed))
	}
	for i := range uint64(maxPlain) + 1 {
		p.Add(&unix.Statx_t{Ino: 100 + i})
	}
	if len(p.known) > maxPlain {
		t.Errorf("%d files are known", len(p.known))
	}
}

func TestRegion(t *testing.T) {
	r := Region{limited: true, major: 1, minor: 2, mount: 3}
	for i, c := range []struct {
		r    Region
		st   unix.Statx_t
		want bool
	}{
		{Region{}, unix.Statx_t{Dev_major: 7}, true},
		{r, unix.Statx_t{Dev_major: 1, Dev_minor: 2}, true},
		{r, unix.Statx_t{Dev_major: 1, Dev_minor: 2, Mask: unix.STATX_MNT_ID, Mnt_id: 9}, true},
		{r, unix.Statx_t{Dev_major: 1, Dev_minor: 3, Mask: unix.STATX_MNT_ID, Mnt_id: 3}, true},
		{r, unix.Statx_t{Dev_major: 1, Dev_minor: 3, Mnt_id: 3}, false},
		{r, unix.Statx_t{Dev_major: 2, Dev_minor: 2, Mask: unix.STATX_MNT_ID, Mnt_id: 9}, false},
	} {
		if got := c.r.Holds(&c.st); got != c.want {
			t.Errorf("case %d: %v", i, got)
		}
	}
}

func TestRegionOf(t *testing.T) {
	all, err := RegionOf("")
	if err != nil || all.Limited() {
		t.Errorf("%+v, %v", all, err)
	}
	proc, err := RegionOf("/proc")
	if err != nil || !proc.Limited() {
		t.Fatalf("%+v, %v", proc, err)
	}
	for name, want := range map[string]bool{"/proc/self/status": true, "/": false} {
		var st unix.Statx_t
		if err := unix.Statx(unix.AT_FDCWD, name, 0, StatMask, &st); err != nil {
			t.Fatal(err)
		}
		if proc.Holds(&st) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	if _, err := RegionOf("/nosuch"); err != unix.ENOENT {
		t.Errorf("nowhere: %v", err)
	}
}
