package perm

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestChange(t *testing.T) {
	const file, dir, link = 0o100000, 0o040000, 0o120777
	for _, c := range []struct {
		text       string
		mode, want uint32
	}{
		{"", file | 0o640, file | 0o640}, {"755", file | 0o640, file | 0o755}, {"04711", dir | 0o700, dir | 0o4711},
		{"u=rwX,go=rX", file | 0o600, file | 0o644}, {"u=rwX,go=rX", dir | 0o700, dir | 0o755}, {"u=rwX,go=rX", file | 0o700, file | 0o755},
		{"+x", file | 0o644, file | 0o755}, {"go-w", file | 0o666, file | 0o644}, {"g=u", file | 0o640, file | 0o660},
		{"u+s,+t", file | 0o755, file | 0o5755}, {"u-x+w", file | 0o500, file | 0o600}, {"o=", file | 0o777, file | 0o770},
		{"a=r", file | 0o7777, file | 0o444}, {"0", link, link}, {"ug+s", dir | 0o755, dir | 0o6755},
	} {
		change, err := ParseChange(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := change.Apply(c.mode); got != c.want {
			t.Errorf("%s of %o is %o, not %o", c.text, c.mode, got, c.want)
		}
	}
	for _, text := range []string{"17777", "rwx", "u=z", "q+x", "u=rwg", "g=uo", "u+r,", "=+q"} {
		if c, err := ParseChange(text); err == nil {
			t.Errorf("%s: %v", text, c)
		}
	}
}

// accounts reads a root file system with two files.
func accounts(name string) (string, error) {
	return map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n# comment\napp:x:33:44:App:/home/app:\nbad:x:-1:0::/:\n",
		"etc/group":  "root:x:0:\nstaff:x:50:other,app\nown:x:44:app\n",
	}[name], nil
}

func TestFindUser(t *testing.T) {
	for text, want := range map[string]Account{
		"": {0, 0, []uint32{0}, "/root"}, "root": {0, 0, []uint32{0}, "/root"}, "app": {33, 44, []uint32{44, 50}, "/home/app"},
		"33": {33, 44, []uint32{44, 50}, "/home/app"}, "app:staff": {33, 50, []uint32{50}, "/home/app"},
		"33:7": {33, 7, []uint32{7}, "/home/app"}, "99": {99, 0, []uint32{0}, "/"}, ":staff": {0, 50, []uint32{50}, "/root"},
	} {
		got, err := FindUser(accounts, text)
		if err != nil || got.UID != want.UID || got.GID != want.GID || got.Home != want.Home || !slices.Equal(got.Groups, want.Groups) {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"nobody", "app:none", "4294967295", "bad:-1"} {
		if got, err := FindUser(accounts, text); err == nil || hint.Of(err) == "" {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
	without := func(string) (string, error) { return "", nil }
	if got, err := FindUser(without, "0"); err != nil || got.Home != "/root" {
		t.Errorf("root without accounts: %+v, %v", got, err)
	}
	broken := errors.New("broken")
	if _, err := FindUser(func(string) (string, error) { return "", broken }, "app"); !errors.Is(err, broken) {
		t.Errorf("a file that cannot be read: %v", err)
	}
	half := func(name string) (string, error) {
		if strings.HasSuffix(name, "group") {
			return "", broken
		}
		return accounts(name)
	}
	if _, err := FindUser(half, "app"); !errors.Is(err, broken) {
		t.Errorf("groups that cannot be read: %v", err)
	}
}

func TestFindOwner(t *testing.T) {
	for text, want := range map[string]Owner{"app": {33, 44}, "7": {7, 7}, "7:8": {7, 8}, "app:staff": {33, 50}, "0": {0, 0}} {
		if got, err := FindOwner(accounts, text); err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	if got, err := FindOwner(accounts, "nobody"); err == nil {
		t.Errorf("a user that is not there is %v", got)
	}
}
