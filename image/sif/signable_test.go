package sif

import (
	"bytes"
	"io"
	"testing"

	"github.com/sylabs/sif/v2/pkg/sif"
)

// The reference library hashes the same bytes.
func TestSignable(t *testing.T) {
	for name, b := range map[string][]byte{
		"typical": typical(t),
		"a group that does not begin with 1": reference(t,
			object{sif.DataGeneric, "alone", []sif.DescriptorInputOpt{sif.OptGroupID(7)}},
			object{sif.DataGeneric, "x", []sif.DescriptorInputOpt{sif.OptGroupID(2), sif.OptObjectName("name"), sif.OptLinkedID(3)}},
			object{sif.DataPartition, "y", []sif.DescriptorInputOpt{
				sif.OptGroupID(2), sif.OptPartitionMetadata(sif.FsSquash, sif.PartPrimSys, "arm64"),
			}}),
	} {
		img, err := Open(bytes.NewReader(b), int64(len(b)))
		must(t, err)
		peer, err := sif.LoadContainer(sif.NewBuffer(b))
		must(t, err)
		want, err := io.ReadAll(peer.GetHeaderIntegrityReader())
		must(t, err)
		if got := img.SignableHeader(); !bytes.Equal(got, want) {
			t.Errorf("%s: header %q, want %q", name, got, want)
		}
		compared := 0
		for _, d := range mustDescriptors(t, peer) {
			objects, first := img.Group(d.GroupID())
			if d.GroupID() == 0 && (objects != nil || first != 0) {
				t.Errorf("%s: objects without a group are %v", name, objects)
			}
			for _, o := range objects {
				if o.ID != d.ID() {
					continue
				}
				compared++
				want, err := io.ReadAll(d.GetIntegrityReader())
				must(t, err)
				if got := o.SignableDescriptor(first); !bytes.Equal(got, want) {
					t.Errorf("%s: %v: %x\nwant %x", name, o, got, want)
				}
			}
		}
		if compared != 3 {
			t.Errorf("%s: %d descriptors were compared", name, compared)
		}
	}
}

func mustDescriptors(t *testing.T, f *sif.FileImage) []sif.Descriptor {
	t.Helper()
	ds, err := f.GetDescriptors()
	must(t, err)
	return ds
}
