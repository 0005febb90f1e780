package identity

import (
	"slices"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/starter/plan"
)

func TestOf(t *testing.T) {
	facts := func(change func(*host.Facts)) *host.Facts {
		f := &host.Facts{UID: 1000, GID: 100, UserNS: true}
		f.User.Home = "/home/u"
		change(f)
		return f
	}
	plain := facts(func(*host.Facts) {})
	admin := facts(func(f *host.Facts) { f.UID, f.GID, f.Admin = 0, 0, true })
	ranges := facts(func(f *host.Facts) {
		f.SubUIDs, f.SubGIDs = []host.Range{{First: 1, Count: 7}, {First: 200000, Count: 65536}}, []host.Range{{First: 300000, Count: 65536}}
		f.NewUIDMap, f.NewGIDMap = "/usr/bin/newuidmap", "/usr/bin/newgidmap"
	})
	one := func(inside, outside uint32) []plan.IDMap {
		return []plan.IDMap{{Inside: inside, Outside: outside, Size: 1}}
	}
	for name, c := range map[string]struct {
		wish Wish
		f    *host.Facts
		want Identity
	}{
		"caller":         {Wish{}, plain, Identity{UID: 1000, GID: 100, User: true, UIDs: one(1000, 1000), GIDs: one(100, 100), Home: "/home/u"}},
		"fakeroot":       {Wish{Fakeroot: true}, plain, Identity{User: true, UIDs: one(0, 1000), GIDs: one(0, 100), Home: "/root", KeepCaps: "all"}},
		"root":           {Wish{}, admin, Identity{Home: "/root", KeepCaps: "all"}},
		"root, fakeroot": {Wish{Fakeroot: true}, admin, Identity{Home: "/root", KeepCaps: "all"}},
		"root, userns":   {Wish{Userns: true}, admin, Identity{User: true, UIDs: one(0, 0), GIDs: one(0, 0), Home: "/root", KeepCaps: "all"}},
		"subordinate ids": {Wish{Fakeroot: true}, ranges, Identity{User: true, Home: "/root", KeepCaps: "all",
			UIDs: append(one(0, 1000), plan.IDMap{Inside: 1, Outside: 200000, Size: 65536}),
			GIDs: append(one(0, 100), plan.IDMap{Inside: 1, Outside: 300000, Size: 65536})}},
	} {
		got, err := Of(c.wish, c.f)
		if err != nil || got.UID != c.want.UID || got.GID != c.want.GID || got.User != c.want.User || got.Home != c.want.Home ||
			got.KeepCaps != c.want.KeepCaps || !slices.Equal(got.UIDs, c.want.UIDs) || !slices.Equal(got.GIDs, c.want.GIDs) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if got.Ranged() != (len(c.want.UIDs) > 1) {
			t.Errorf("%s: ranged is %v", name, got.Ranged())
		}
	}
	off := facts(func(f *host.Facts) { f.UserNS = false })
	if _, err := Of(Wish{}, off); hint.Of(err) == "" {
		t.Errorf("no user namespaces: %v", err)
	}
}

func TestParseEmulation(t *testing.T) {
	for text, ok := range map[string]bool{"auto": true, "full": true, "fast": true, "off": true, "": false, "silent": false, "Full": false} {
		e, err := ParseEmulation(text)
		if (err == nil) != ok || ok && string(e) != text || !ok && hint.Of(err) == "" {
			t.Errorf("%q: %q, %v", text, e, err)
		}
	}
}

func TestBecome(t *testing.T) {
	other := &plan.User{UID: 7}
	for _, c := range []struct {
		id        Identity
		user      *plan.User
		emulation string
		can       bool
	}{
		{Identity{User: true}, nil, "", true}, {Identity{User: true}, &plan.User{}, "", true}, {Identity{User: true}, other, "full", true},
		{Identity{}, other, "", true}, {Identity{User: true}, other, "", false}, {Identity{User: true}, &plan.User{GID: 7}, "", false},
	} {
		if err := c.id.Become(c.user, c.emulation); (err == nil) != c.can || err != nil && hint.Of(err) == "" {
			t.Errorf("%+v as %+v under %q: %v", c.id, c.user, c.emulation, err)
		}
	}
}
