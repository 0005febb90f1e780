package trust

import (
	"slices"

	"github.com/sylabs/sif/v2/pkg/integrity"

	"github.com/sealift/sealift/image/sif"
)

// index notes what is asked for each signature, once for all.
func (v *verifier) index() {
	v.objects, v.wanted, v.vouched = map[uint32][]uint32{}, map[uint32]bool{}, map[uint32]bool{}
	for i := range v.r.Objects {
		v.wanted[v.r.Objects[i].ID] = true
	}
	for i := range v.r.Vouched {
		v.vouched[v.r.Vouched[i].ID] = true
	}
	list := v.img.Objects()
	for i := range list {
		if o := &list[i]; o.Type != sif.Signature && o.Group != 0 {
			v.objects[o.Group] = append(v.objects[o.Group], o.ID)
		}
	}
	for _, ids := range v.objects {
		slices.Sort(ids)
	}
}

// linked returns the ids of the objects that a signature is said to be about, of single
// ones those that are asked for or vouched for.
func (v *verifier) linked(s sif.Object) []uint32 {
	if s.LinksGroup {
		return v.objects[s.Link]
	}
	if v.wanted[s.Link] || v.vouched[s.Link] {
		return []uint32{s.Link}
	}
	return nil
}

// concerns says whether a signature is said to be about what is asked for, or what
// something else vouches for.
func (v *verifier) concerns(s sif.Object) bool {
	return slices.ContainsFunc(v.linked(s), func(id uint32) bool { return v.wanted[id] || v.vouched[id] })
}

// task is what the library is to verify of one signature, and the objects that
// it then must have found to be as signed.
type task struct {
	opts []integrity.VerifierOpt
	want []uint32
	// vouched is that there is nothing, since all that it would be about is vouched for.
	vouched bool
}

// tasks finds what of a signature is verified: the group if it is all about it,
// otherwise those objects of what is asked for that it names. A signature that
// names what is not there is verified too, so that the key is looked at first.
func (v *verifier) tasks(s *Signature, m message) task {
	group := v.linked(s.Object)
	wanted := slices.DeleteFunc(slices.Clone(group), func(id uint32) bool { return !v.wanted[id] })
	if m.legacy {
		if len(wanted) == 0 {
			return task{vouched: true}
		}
		return legacyTask(s.Object, group)
	}
	named := m.named(group[0])
	s.Whole = slices.Equal(named, group)
	complete := len(wanted) == len(group)
	there := func(id uint32) bool { _, ok := slices.BinarySearch(group, id); return ok }
	if slices.ContainsFunc(named, func(id uint32) bool { return !there(id) }) || s.Whole && complete {
		return task{opts: []integrity.VerifierOpt{integrity.OptVerifyGroup(s.Object.Link)}, want: group}
	}
	var t task
	is := map[uint32]bool{}
	for _, id := range named {
		is[id] = true
		t.vouched = t.vouched || v.vouched[id]
	}
	for _, id := range wanted {
		if is[id] {
			t.opts = append(t.opts, integrity.OptVerifyObject(id))
			t.want = append(t.want, id)
		}
	}
	return t
}

func legacyTask(s sif.Object, objects []uint32) task {
	verify := integrity.OptVerifyObject(s.Link)
	if s.LinksGroup {
		verify = integrity.OptVerifyGroup(s.Link)
	}
	return task{opts: []integrity.VerifierOpt{integrity.OptVerifyLegacy(), verify}, want: objects}
}

// named returns the ids of the objects that a message names in a group whose
// least is first. What is no id becomes one that no object has.
func (m message) named(first uint32) (ids []uint32) {
	for _, relative := range m.ids {
		if id := first + relative; id >= first {
			ids = append(ids, id)
		} else {
			ids = append(ids, 0)
		}
	}
	return ids
}
