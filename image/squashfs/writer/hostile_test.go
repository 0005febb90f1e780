package writer

import (
	"bytes"
	"fmt"
	"os/exec"
	"testing"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/tree"
)

// TestManyNamesT29 gives one file 70,000 names: the count of its links is theirs.
func TestManyNamesT29(t *testing.T) {
	const names = 70_000
	shared, entries := newFile([]byte("x")), make(map[string]*tree.Node, names)
	for i := range names {
		entries[fmt.Sprintf("name-%d", i)] = shared
	}
	b := image(t, newDir(map[string]*tree.Node{"dir": newDir(entries)}), Options{})
	r := reader(t, b)
	first, last := inodeAt(t, r, "dir", "name-0"), inodeAt(t, r, "dir", "name-69999")
	if first.Nlink != names || first.Number != last.Number {
		t.Errorf("%d links; inodes %d and %d", first.Nlink, first.Number, last.Number)
	}
	out, err := exec.Command(tool(t, "unsquashfs"), "-l", imageFile(t, b)).Output()
	if n := bytes.Count(out, []byte("/dir/name-")); err != nil || n != names {
		t.Errorf("unsquashfs lists %d names, error %v", n, err)
	}
}

// TestFarInodesT28 has directories name inodes whose numbers are further apart than
// the difference that an entry can say (32767), in both directions.
func TestFarInodesT28(t *testing.T) {
	const count = 40_000
	many := make(map[string]*tree.Node, count)
	for i := range count {
		many[fmt.Sprintf("f%05d", i)] = &tree.Node{Mode: tree.TypeRegular | 0o644, ModTime: int64(i)}
	}
	near, far, ends := map[string]*tree.Node{}, map[string]*tree.Node{}, 300
	for i := range ends { // by turns the first and the last of all
		for turn, n := range []int{i, count - 1 - i} {
			near[fmt.Sprintf("n%03d-%d", i, turn)] = many[fmt.Sprintf("f%05d", n)]
			far[fmt.Sprintf("x%03d-%d", i, 1-turn)] = many[fmt.Sprintf("f%05d", n)]
		}
	}
	b := image(t, newDir(map[string]*tree.Node{"a": newDir(near), "m": newDir(many), "z": newDir(far)}), Options{})
	r := reader(t, b)
	whole := inodeAt(t, r, "m")
	for _, dir := range []*squashfs.Inode{inodeAt(t, r, "a"), inodeAt(t, r, "z")} {
		list, err := r.ReadDir(dir)
		if err != nil || len(list) != 2*ends {
			t.Fatalf("%d entries, %v", len(list), err)
		}
		for _, e := range list {
			var i, turn int
			if _, err := fmt.Sscanf(e.Name[1:], "%d-%d", &i, &turn); err != nil {
				t.Fatal(err)
			}
			if (e.Name[0] == 'n') == (turn == 1) {
				i = count - 1 - i
			}
			want, err := r.Child(whole, fmt.Sprintf("f%05d", i))
			if err != nil {
				t.Fatal(err)
			}
			if ino, err := r.Entry(e); err != nil || ino.Number != want.Number || int(ino.MTime) != i || ino.Nlink != 3 {
				t.Fatalf("%s is %+v (%v), want inode %d of %d", e.Name, ino, err, want.Number, i)
			}
		}
	}
	out, err := exec.Command(tool(t, "unsquashfs"), "-l", imageFile(t, b)).CombinedOutput()
	if n := bytes.Count(out, []byte("\nsquashfs-root/")); err != nil || n != count+4*ends+3 {
		t.Errorf("unsquashfs lists %d names, error %v", n, err)
	}
}
