package sif

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
)

// An object is deleted as the library does it, and its bytes with it.
func TestDelete(t *testing.T) {
	for id, left := range map[uint32]string{1: "[2 3 4]", 2: "[1 3 4]", 3: "[1 2 4]", 4: "[1 2 3]"} {
		b := typical(t)
		f := file(t, b)
		must(t, Delete(f, id, time.Unix(2000, 0), nil))
		now := content(t, f)
		img, err := open(now)
		must(t, err)
		if got := ids(img); got != left || img.h.free != 45 || img.Free() != 45 {
			t.Errorf("%d: objects %s, %d free", id, got, img.h.free)
		}
		peer := &sif.Buffer{}
		_, err = peer.Write(b)
		must(t, err)
		c, err := sif.LoadContainer(peer)
		must(t, err)
		must(t, c.DeleteObject(id, sif.OptDeleteZero(true), sif.OptDeleteCompact(id == 4), sif.OptDeleteWithTime(time.Unix(2000, 0))))
		if !bytes.Equal(now, peer.Bytes()) {
			t.Errorf("%d: the file is not what the library makes of it", id)
		}
		must(t, Add(t.Context(), f, func(c *Container) error { return addOne(c, "again") }))
		if _, err := open(content(t, f)); err != nil {
			t.Error(err)
		}
	}
}

func ids(img *Image) string {
	var ids []string
	for _, o := range img.Objects() {
		ids = append(ids, string('0'+rune(o.ID)))
	}
	return "[" + strings.Join(ids, " ") + "]"
}

func TestDeleteRefuses(t *testing.T) {
	b := typical(t)
	f := file(t, b)
	if err := Delete(f, 9, time.Now(), nil); err == nil || !strings.Contains(hint.Of(err), "sif list") {
		t.Errorf("no such object: %v", err)
	}
	no := errors.New("no")
	if err := Delete(f, 1, time.Now(), func(*Image) error { return no }); !errors.Is(err, no) {
		t.Errorf("what is not allowed: %v", err)
	}
	if !bytes.Equal(content(t, f), b) {
		t.Error("the file has changed")
	}
}

// Whatever call fails or is the last one, the object is there whole or not at all,
// and so are the others.
func TestDeleteFaults(t *testing.T) {
	want, err := open(typical(t))
	must(t, err)
	for what, c := range map[string]struct {
		id    uint32
		calls map[string]int
	}{
		"delete middle": {2, map[string]int{"pwrite64": 3, "fsync": 4, "fallocate": 1}},
		"delete last":   {4, map[string]int{"pwrite64": 3, "fsync": 4, "ftruncate": 1}},
	} {
		t.Run(what, func(t *testing.T) {
			sweep(t, what, c.calls, func(t *testing.T, f *os.File, call, fault string, n int) {
				img, err := open(content(t, f))
				must(t, err)
				if len(img.Objects()) != 4 && len(img.Objects()) != 3 {
					t.Errorf("objects %s", ids(img))
				}
				if deleted := call != "pwrite64" || n > 1; deleted && len(img.Objects()) == 4 && fault == "signal=KILL" {
					t.Errorf("the object is still there")
				}
				for _, o := range want.Objects() {
					if o.ID == c.id && len(img.Objects()) == 3 {
						continue
					}
					before, err := want.Read(o, 100)
					must(t, err)
					i := slices.IndexFunc(img.Objects(), func(now Object) bool { return now == o })
					if i < 0 {
						t.Fatalf("%v is gone", o)
					}
					if now, err := img.Read(o, 100); err != nil || !bytes.Equal(now, before) {
						t.Errorf("%v holds %q (%v)", o, now, err)
					}
				}
				must(t, Add(t.Context(), f, func(c *Container) error { return addOne(c, "after") }))
				_, err = open(content(t, f))
				must(t, err)
			})
		})
	}
}
