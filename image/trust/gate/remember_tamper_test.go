package gate

import (
	"os"
	"testing"

	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/merkle"
)

// What is known of a file system does not make an image one that has it: whatever of it is
// changed, it is refused, or what was changed cannot be read.
func TestTamperedRemembered(t *testing.T) {
	ada, _, eve := people(t)
	g := rules(t, []*keyring.Key{ada}, whole)
	remembering(t, g)
	both(t, func(t *testing.T, tree bool) {
		f := newImage(t, tree)
		refused(t, g, f, "it is not signed")
		sign(t, f, eve)
		refused(t, g, f, "0 of the 1 known signers")
		sign(t, f, ada)
		allowed(t, g, f)
		img := load(t, f)
		for _, o := range img.Objects() {
			if o.Type == sif.Signature {
				continue
			}
			overwrite(t, f, o.Offset+o.Size-1)
			r, err := hold(t, g, f)
			switch {
			case o.ID == 2, o.Name == merkle.TreeName:
				must(t, err)
				wantMismatch(t, r, int64(len(body))-1)
			default:
				wantRefusal(t, r, err, "0 of the 1 known signers")
			}
			overwrite(t, f, o.Offset+o.Size-1)
			allowed(t, g, f)
		}
		h := img.Header()
		for _, at := range []int64{0, 32, h.TableOffset + 1*585 + 65} { // launch line, magic or version, name
			b := make([]byte, 1)
			_, err := f.ReadAt(b, at)
			must(t, err)
			overwrite(t, f, at)
			if _, err := sif.Load(f); err == nil {
				refused(t, g, f, "0 of the 1 known signers")
			}
			overwrite(t, f, at)
		}
		allowed(t, g, f)
	})
}

// An image that is changed before it was ever read whole is refused, each time, and what it
// has is not remembered as what was signed.
func TestTamperedFirst(t *testing.T) {
	ada, _, _ := people(t)
	both(t, func(t *testing.T, tree bool) {
		g := rules(t, []*keyring.Key{ada}, whole)
		remembering(t, g)
		f := newImage(t, tree)
		sign(t, f, ada)
		evil := copied(t, f)
		o, _ := load(t, f).PrimaryObject()
		overwrite(t, evil, o.Offset+1000)
		for range 2 {
			part, _, _, err := reads(t, g, evil)
			wantError(t, err, "0 of the 1 known signers that have to have signed the whole image did; object 2 (FS): the image is not what was signed")
			if part != o.Size {
				t.Errorf("%d bytes are read", part)
			}
		}
		allowedAfter(t, g, f, o.Size)
		allowedAfter(t, g, f, 0)
		r, err := hold(t, g, evil)
		must(t, err)
		wantMismatch(t, r, 1000)
		// It is signed as it is now, too: then they do not agree on what it is.
		sign(t, evil, ada)
		for range 2 {
			part, _, r, err := reads(t, g, evil)
			if err != nil || part < o.Size {
				t.Errorf("%v; %d bytes are read", err, part)
				continue
			}
			if _, err := r.ReadAt(make([]byte, 1), 1000); err != nil {
				t.Error(err)
			}
		}
	})
}

// A file that is another when it is read the second time, be it before or after it is
// remembered, is not read as that.
func TestOverwrittenRemembered(t *testing.T) {
	ada, _, _ := people(t)
	both(t, func(t *testing.T, tree bool) {
		f := newImage(t, tree)
		sign(t, f, ada)
		o, _ := load(t, f).PrimaryObject()
		for _, moment := range []string{"first", "second"} {
			g := rules(t, []*keyring.Key{ada}, whole)
			dir := remembering(t, g)
			if moment == "second" {
				allowed(t, g, f)
			}
			usual, at := g.Keys, int64(300<<10)
			g.Keys = func() (keyring.Rings, error) {
				overwrite(t, f, o.Offset+at)
				return usual()
			}
			r, err := hold(t, g, f)
			must(t, err)
			wantMismatch(t, r, at)
			overwrite(t, f, o.Offset+at)
			g.Keys = usual
			allowedAfter(t, g, f, 0)
			must(t, os.RemoveAll(dir))
		}
	})
}
