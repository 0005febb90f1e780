package creds

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestIDs(t *testing.T) {
	const no = Unset
	root, user := IDs{}, IDs{33, 33, 33, 33}
	mixed := IDs{33, 0, 44, 0}
	type result = struct {
		got IDs
		err error
	}
	of := func(i IDs, err error) result { return result{i, err} }
	for i, c := range []struct {
		got  result
		want IDs
		err  error
	}{
		{of(root.Set(5, true)), IDs{5, 5, 5, 5}, nil},
		{of(root.Set(no, true)), root, unix.EINVAL},
		{of(user.Set(0, false)), user, unix.EPERM},
		{of(IDs{1, 2, 3, 2}.Set(3, false)), IDs{1, 3, 3, 3}, nil},
		{of(IDs{1, 2, 3, 2}.Set(2, false)), IDs{1, 2, 3, 2}, unix.EPERM},
		{of(root.SetRE(no, 7, true)), IDs{0, 7, 7, 7}, nil},
		{of(root.SetRE(7, no, true)), IDs{7, 0, 0, 0}, nil},
		{of(user.SetRE(no, 33, false)), user, nil},
		{of(user.SetRE(no, 0, false)), user, unix.EPERM},
		{of(mixed.SetRE(44, no, false)), mixed, unix.EPERM},
		{of(mixed.SetRE(0, 33, false)), IDs{0, 33, 33, 33}, nil},
		{of(mixed.SetRE(no, no, false)), mixed, nil},
		{of(root.SetRES(1, 2, 3, true)), IDs{1, 2, 3, 2}, nil},
		{of(root.SetRES(no, 2, no, true)), IDs{0, 2, 0, 2}, nil},
		{of(IDs{1, 2, 3, 2}.SetRES(3, 1, 2, false)), IDs{3, 1, 2, 1}, nil},
		{of(IDs{1, 2, 3, 2}.SetRES(no, no, 4, false)), IDs{1, 2, 3, 2}, unix.EPERM},
		{of(user.SetFS(0, false), nil), user, nil},
		{of(user.SetFS(0, true), nil), IDs{33, 33, 33, 0}, nil},
		{of(user.SetFS(no, true), nil), user, nil},
	} {
		if c.got.got != c.want || c.got.err != c.err {
			t.Errorf("case %d: %+v, %v; want %+v, %v", i, c.got.got, c.got.err, c.want, c.err)
		}
	}
}

func TestMayChown(t *testing.T) {
	root, user := Root(), Root()
	user.User, user.Group = IDs{33, 33, 33, 33}, IDs{5, 5, 5, 5}
	user.Groups = PackGroups([]uint32{7})
	for _, c := range []struct {
		uid, toUID, toGID uint32
		want              bool
	}{
		{33, Unset, Unset, true}, {33, 33, 7, true}, {33, Unset, 5, true}, {33, Unset, 9, true}, {33, Unset, 8, false},
		{33, 34, Unset, false}, {34, Unset, 5, false}, {0, 33, 5, false},
	} {
		if got := user.MayChown(c.uid, 9, c.toUID, c.toGID); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
		if !root.MayChown(c.uid, 9, c.toUID, c.toGID) {
			t.Errorf("root may not: %+v", c)
		}
	}
}

func TestNumbers(t *testing.T) {
	var n Numbers
	someone := func(i int) Creds {
		c := Root()
		c.User.FS = uint32(i)
		return c
	}
	for _, hard := range []uint64{unix.RLIM_INFINITY, 1 << 50, 1 << 20} {
		if l, err := n.number(Root(), hard); err != nil || l != hard || n.of(l, hard) != Root() {
			t.Errorf("root is %d below %d, %v", l, hard, err)
		}
		seen := map[uint64]bool{}
		for i := 1; i < 100; i++ {
			l, err := n.number(someone(i), hard)
			again, err2 := n.number(someone(i), hard)
			if err != nil || err2 != nil || l != again || l >= hard || seen[l] || n.of(l, hard) != someone(i) {
				t.Fatalf("%d below %d: %d and %d, %v, %v", i, hard, l, again, err, err2)
			}
			seen[l] = true
		}
	}
	if n.of(12345, unix.RLIM_INFINITY) != Root() {
		t.Error("a limit of somebody else's is a number")
	}
	var err error
	for i := 1; i < maxNumbers+2 && err == nil; i++ {
		_, err = n.number(someone(i), unix.RLIM_INFINITY)
	}
	if err != unix.EAGAIN || len(n.byNum) > maxNumbers {
		t.Errorf("%d numbers, %v", len(n.byNum), err)
	}
	if _, err := new(Numbers).number(someone(1), 0); err != unix.EAGAIN {
		t.Errorf("without room: %v", err)
	}
}
