package identity

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/account"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/starter/plan"
)

func TestOf(t *testing.T) {
	facts := func(change func(*host.Facts)) *host.Facts {
		f := &host.Facts{UID: 1000, GID: 100, UserNS: true, Root: fstest.MapFS{}}
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

func TestBecomeByWish(t *testing.T) {
	passwd := fstest.MapFS{"etc/passwd": {Data: []byte("www:x:99:98:Web:/srv/www:/bin/sh\n")}}
	user := func(change func(*host.Facts)) *host.Facts {
		f := &host.Facts{UID: 1000, GID: 100, UserNS: true, Root: passwd, User: account.User{Name: "u", Home: "/home/u"}}
		change(f)
		return f
	}
	plain := func(*host.Facts) {}
	admin := func(f *host.Facts) { f.UID, f.GID, f.Admin = 0, 0, true }
	ranges := func(f *host.Facts) {
		f.SubUIDs, f.SubGIDs = []host.Range{{First: 200000, Count: 65536}}, []host.Range{{First: 300000, Count: 65536}}
		f.NewUIDMap, f.NewGIDMap = "/usr/bin/newuidmap", "/usr/bin/newgidmap"
	}
	n := func(id uint32) *uint32 { return &id }
	for name, c := range map[string]struct {
		wish    Wish
		facts   func(*host.Facts)
		uid     uint32
		gid     uint32
		payload *plan.User
		home    string
	}{
		"a user":                {Wish{UID: n(99)}, plain, 99, 100, nil, "/home/u"},
		"a user and group":      {Wish{UID: n(99), GIDs: []uint32{98}}, plain, 99, 98, nil, "/home/u"},
		"a group":               {Wish{GIDs: []uint32{98}}, plain, 1000, 98, nil, "/home/u"},
		"root":                  {Wish{UID: n(99)}, admin, 0, 0, &plan.User{UID: 99, Groups: []uint32{0}}, "/srv/www"},
		"root, groups":          {Wish{UID: n(7), GIDs: []uint32{98, 97}}, admin, 0, 0, &plan.User{UID: 7, GID: 98, Groups: []uint32{98, 97}}, "/"},
		"root stays root":       {Wish{UID: n(0)}, admin, 0, 0, &plan.User{Groups: []uint32{0}}, "/root"},
		"root, userns":          {Wish{Userns: true, UID: n(99)}, admin, 99, 0, nil, "/root"},
		"ranges":                {Wish{Fakeroot: true, UID: n(99), GIDs: []uint32{98}}, ranges, 0, 0, &plan.User{UID: 99, GID: 98, Groups: []uint32{98}}, "/"},
		"ranges, the last ones": {Wish{Fakeroot: true, UID: n(65536), GIDs: []uint32{65536, 0}}, ranges, 0, 0, &plan.User{UID: 65536, GID: 65536, Groups: []uint32{65536, 0}}, "/"},
	} {
		id, err := Of(c.wish, user(c.facts))
		if err != nil || id.UID != c.uid || id.GID != c.gid || id.Home != c.home || !reflect.DeepEqual(id.Payload, c.payload) {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
		if id.User && (id.UIDs[0].Inside != c.uid || id.GIDs[0].Inside != c.gid) {
			t.Errorf("%s: maps %v %v", name, id.UIDs, id.GIDs)
		}
	}
	for name, c := range map[string]struct {
		wish  Wish
		facts func(*host.Facts)
	}{
		"a user as root":    {Wish{UID: n(0)}, plain},
		"two groups":        {Wish{GIDs: []uint32{1, 2}}, plain},
		"fakeroot, no maps": {Wish{Fakeroot: true, UID: n(99)}, plain},
		"beyond the range":  {Wish{Fakeroot: true, UID: n(65537)}, ranges},
		"a group beyond it": {Wish{Fakeroot: true, GIDs: []uint32{0, 65537}}, ranges},
		"with capabilities": {Wish{UID: n(99), AddCaps: "net_raw"}, admin},
	} {
		if id, err := Of(c.wish, user(c.facts)); err == nil || hint.Of(err) == "" {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
}

// TestCapabilitiesT77 is the table of who has which: kept by execve(2) of root, and
// by others.
func TestCapabilitiesT77(t *testing.T) {
	const none = ""
	for name, c := range map[string]struct {
		wish        Wish
		root        bool
		keep, raise string
		setuid      bool
	}{
		"caller":                  {Wish{}, false, none, none, false},
		"caller, no privileges":   {Wish{NoPrivs: true}, false, none, none, false},
		"caller, added":           {Wish{AddCaps: "CAP_NET_RAW, cap_kill"}, false, "kill,net_raw", "kill,net_raw", false},
		"caller, added, dropped":  {Wish{AddCaps: "net_raw,kill", DropCaps: "kill"}, false, "net_raw", "net_raw", false},
		"caller, all":             {Wish{AddCaps: "all"}, false, "chown,dac_override,dac_read_search", "chown,dac_override,dac_read_search", false},
		"caller, all but one":     {Wish{AddCaps: "all", DropCaps: "chown"}, false, "dac_override,dac_read_search", "dac_override,dac_read_search", false},
		"caller, dropped":         {Wish{DropCaps: "all"}, false, none, none, false},
		"fakeroot":                {Wish{Fakeroot: true}, false, "all", none, false},
		"fakeroot, kept":          {Wish{Fakeroot: true, KeepPrivs: true}, false, "all", none, false},
		"fakeroot, no privileges": {Wish{Fakeroot: true, NoPrivs: true}, false, none, none, false},
		"fakeroot, one again":     {Wish{Fakeroot: true, NoPrivs: true, AddCaps: "chown"}, false, "chown", none, false},
		"fakeroot, all dropped":   {Wish{Fakeroot: true, DropCaps: "all"}, false, none, none, false},
		"root":                    {Wish{}, true, "all", none, false},
		"root, kept":              {Wish{KeepPrivs: true}, true, "all", none, false},
		"root, no privileges":     {Wish{NoPrivs: true, KeepPrivs: true}, true, none, none, false},
		"root, setuid":            {Wish{AllowSetuid: true}, true, "all", none, true},
		"root, setuid, no privs":  {Wish{AllowSetuid: true, NoPrivs: true}, true, none, none, false},
	} {
		f := &host.Facts{UID: 1000, GID: 100, UserNS: true, Root: fstest.MapFS{"proc/sys/kernel/cap_last_cap": {Data: []byte("2\n")}}}
		if c.root {
			f.UID, f.GID, f.Admin = 0, 0, true
		}
		id, err := Of(c.wish, f)
		if err != nil || id.KeepCaps != c.keep || id.RaiseCaps != c.raise || id.Setuid != c.setuid {
			t.Errorf("%s: keep %q, raise %q, setuid %v, %v", name, id.KeepCaps, id.RaiseCaps, id.Setuid, err)
		}
	}
	f := &host.Facts{UID: 1000, GID: 100, UserNS: true, Root: fstest.MapFS{}}
	id, err := Of(Wish{Fakeroot: true, DropCaps: "CAP_NET_RAW"}, f)
	if err != nil || strings.Contains(id.KeepCaps, "net_raw") || strings.Count(id.KeepCaps, ",") != 39 {
		t.Errorf("all but one: %q, %v", id.KeepCaps, err)
	}
	for name, wish := range map[string]Wish{
		"keep": {KeepPrivs: true}, "setuid": {AllowSetuid: true}, "setuid, fakeroot": {AllowSetuid: true, Fakeroot: true},
		"add": {AddCaps: "CAP_MAGIC"}, "drop": {DropCaps: "net_raw,,magic"},
	} {
		if id, err := Of(wish, f); err == nil || hint.Of(err) == "" {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
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
