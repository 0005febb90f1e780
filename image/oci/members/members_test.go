package members

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

// TestAdd enters headers that an index must refuse or pass over.
func TestAdd(t *testing.T) {
	at := bytes.NewReader(nil)
	members := Index{}
	for _, h := range []*tar.Header{{Name: "d/", Typeflag: tar.TypeDir}, {Name: "f", Typeflag: tar.TypeFifo}, {Name: "./a", Typeflag: tar.TypeReg, Size: 3}} {
		if err := members.add(h, at); err != nil {
			t.Error(err)
		}
	}
	if len(members) != 1 || members["a"].size != 3 {
		t.Errorf("members %+v", members)
	}
	for _, h := range []*tar.Header{
		{Name: "s", Typeflag: tar.TypeGNUSparse},
		{Name: "s", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"GNU.sparse.major": "1"}},
		{Name: "/x/../a", Typeflag: tar.TypeReg},
	} {
		if err := members.add(h, at); err == nil {
			t.Errorf("%+v accepted", h)
		}
	}
	for i := range maxMembers {
		members[fmt.Sprint(i)] = member{}
	}
	if err := members.add(&tar.Header{Name: "z", Typeflag: tar.TypeReg}, at); err == nil || err.Error() != "more than 100000 files" {
		t.Errorf("error %v", err)
	}
}

func TestFind(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Name: "./a", Typeflag: tar.TypeReg, Size: 3}, {Name: "dir/link", Typeflag: tar.TypeSymlink, Linkname: "../a"},
		{Name: "hard", Typeflag: tar.TypeLink, Linkname: "dir/link"}, {Name: "loop", Typeflag: tar.TypeSymlink, Linkname: "loop"},
		{Name: "lost", Typeflag: tar.TypeSymlink, Linkname: "none"},
	} {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte("abc")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	x, err := List(t.Context(), bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "/a", "dir/../a", "dir/link", "hard"} {
		if offset, size, err := x.Find(name); err != nil || string(b.Bytes()[offset:offset+size]) != "abc" {
			t.Errorf("%s: %d, %d, %v", name, offset, size, err)
		}
	}
	for _, name := range []string{"loop", "lost", "none", ""} {
		if _, _, err := x.Find(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
