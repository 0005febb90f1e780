package account

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

const passwdFile = `root:x:0:0:root:/root:/bin/bash
broken:x:1000
alice:x:1000:1000:Alice A.,,,:/home/alice:/bin/zsh
bob:x:1000:1000::/home/bob:/bin/sh
+::::::
:x:7:7::/:/bin/sh
`

func TestFind(t *testing.T) {
	u, ok := Find(passwdFile, 1000)
	if want := (User{"alice", "Alice A.,,,", "/home/alice", "/bin/zsh"}); !ok || u != want {
		t.Errorf("%+v %v", u, ok)
	}
	for _, uid := range []uint32{7, 42, 100, 1<<32 - 1} {
		if u, ok := Find(passwdFile, uid); ok {
			t.Errorf("uid %d is %+v", uid, u)
		}
	}
}

func TestGroupNames(t *testing.T) {
	text := "root:x:0:\nusers:x:100:alice,bob\nother:x:100:\nshort:x:5\n:x:6:\nbig:x:4294967296:\nphysics:x:2000:\n"
	got := GroupNames(text, []uint32{100, 5, 6, 0, 2000, 3000})
	want := map[uint32]string{0: "root", 100: "users", 2000: "physics"}
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestAddUser(t *testing.T) {
	u := User{"alice", "Alice A.", "/home/alice", "/bin/sh"}
	const line = "alice:x:1000:100:Alice A.:/home/alice:/bin/sh\n"
	for text, want := range map[string]string{
		"":                                line,
		"root:x:0:0::/:/bin/sh":           "root:x:0:0::/:/bin/sh\n" + line,
		"ubuntu:x:1000:1000::/:/bin/sh\n": line,
		"alice:x:7:7::/:/bin/sh\nbob:x:8:8::/:/bin/sh\n": "bob:x:8:8::/:/bin/sh\n" + line,
		"x\n\n::::\na:b:c:d\n":                           "x\n\n::::\na:b:c:d\n" + line,
		"big:x:4294968296:1::/:/bin/sh\n":                "big:x:4294968296:1::/:/bin/sh\n" + line,
	} {
		if got := AddUser(text, u, 1000, 100); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestAddGroups(t *testing.T) {
	names := map[uint32]string{1000: "alice", 2000: "physics"}
	text := "root:x:0:\nubuntu:x:1000:\nphysics:x:9:a,b\nusers:x:100:\n"
	want := "root:x:0:\nusers:x:100:\nalice:x:1000:alice\nphysics:x:2000:alice\n"
	if got := AddGroups(text, "alice", names, []uint32{1000, 2000, 1000, 3000}); got != want {
		t.Errorf("%q", got)
	}
	if got := AddGroups("", "alice", nil, []uint32{1}); got != "" {
		t.Errorf("%q", got)
	}
}

// TestMillionT85: a million accounts are gone through once, whatever is among them.
func TestMillionT85(t *testing.T) {
	var b strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&b, "u%d:x:%d:%d::/:\n", i, i+1_000_000, i)
		if i%1000 == 0 {
			b.WriteString("\x00:\x00:0\x00:\n")
		}
	}
	text := b.String()
	start := time.Now()
	if u, found := Find(text, 1_999_999); !found || u.Name != "u999999" {
		t.Errorf("%+v, %v", u, found)
	}
	if u, found := Find(text, 7); found {
		t.Errorf("%+v", u)
	}
	if names := GroupNames(text, []uint32{1_000_000, 1_999_999, 5}); len(names) != 2 || names[1_999_999] != "u999999" {
		t.Errorf("%v", names)
	}
	added := AddUser(text, User{Name: "u500000", Home: "/h", Shell: "/bin/sh"}, 1_999_998, 5)
	if u, found := Find(added, 1_999_998); !found || u.Name != "u500000" || u.Home != "/h" {
		t.Errorf("%+v, %v", u, found)
	}
	added = AddGroups(text, "me", map[uint32]string{1_999_997: "u7"}, []uint32{1_999_997})
	if names := GroupNames(added, []uint32{1_999_997}); names[1_999_997] != "u7" {
		t.Errorf("%v", names)
	}
	if took := time.Since(start); took > 20*time.Second { // it takes a second; squared, it would take days
		t.Errorf("it took %v", took)
	}
}

// FuzzAccounts (F14): no line of passwd makes a user of another, and a user that is added is found.
func FuzzAccounts(f *testing.F) {
	f.Add(passwdFile, uint32(1000))
	f.Fuzz(func(t *testing.T, text string, id uint32) {
		if u, ok := Find(text, id); ok && (u.Name == "" || strings.ContainsAny(u.Name+u.Home+u.Shell+u.Gecos, ":\n")) {
			t.Errorf("%+v", u)
		}
		GroupNames(text, []uint32{id})
		u := User{"me", "", "/", "/bin/sh"}
		if got, ok := Find(AddUser(text, u, id, id), id); !ok || got != u {
			t.Errorf("%+v in the amended file", got)
		}
	})
}
