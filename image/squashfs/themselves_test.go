package squashfs

import (
	"bytes"
	"testing"
)

// TestTablesOfThemselvesT41 has the index of each table say that the table is where
// the index is, and the superblock that the index is where the superblock is.
func TestTablesOfThemselvesT41(t *testing.T) {
	for field, at := range map[string]int{"ids": 48, "xattrs": 56, "fragments": 80} {
		v := newVictim(t, "plain")
		index := map[string]uint64{"ids": v.r.super.IDTable, "xattrs": v.r.super.XattrTable + 8, "fragments": v.r.super.FragmentTable}[field]
		v.put(int(index), 8, index)
		r, err := v.open()
		if err == nil {
			if _, err = r.Tree(); err == nil {
				err = readAll(r)
			}
		}
		damaged(t, field+" in their own index", err)
		v = newVictim(t, "plain")
		v.put(at, 8, uint64(at))
		_, err = v.open()
		damaged(t, field+" in the superblock", err)
	}
}

// TestNothingStoredT43 says of each block of a file that it is a hole: that is a
// file of zeros, of which the image has nothing, and no damage.
func TestNothingStoredT43(t *testing.T) {
	v := newVictim(t, "plain")
	info, err := v.r.FS().Lstat("big")
	check(t, err)
	for block := 56; int64(block-56)/4 < info.Size()/4096; block += 4 {
		v.put(v.inode("big")+block, 4, 0)
	}
	r, err := v.open()
	check(t, err)
	b, err := r.FS().ReadFile("big")
	check(t, err)
	if whole := info.Size() &^ 4095; int64(len(b)) != info.Size() || len(bytes.Trim(b[:whole], "\x00")) != 0 {
		t.Errorf("%d bytes, not %d zeros", len(b), whole)
	}
	for _, path := range elsewhere("big") {
		if err := readPath(r, path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
