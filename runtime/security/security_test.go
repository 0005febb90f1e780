package security

import (
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/host"
)

func number(n uint32) *uint32 { return &n }

func TestParse(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   Options
	}{
		{nil, Options{}},
		{[]string{"seccomp:/a:b/c.json"}, Options{Seccomp: "/a:b/c.json"}},
		{[]string{"uid:99", "gid:5:6:7"}, Options{UID: number(99), GIDs: []uint32{5, 6, 7}}},
		{[]string{"uid:99,gid:5,seccomp:p.json"}, Options{UID: number(99), GIDs: []uint32{5}, Seccomp: "p.json"}},
		{[]string{"apparmor:docker-default"}, Options{LSM: "apparmor", Label: "docker-default"}},
		{[]string{"selinux:system_u:system_r:container_t:s0:c1,c2,uid:0"}, Options{LSM: "selinux", Label: "system_u:system_r:container_t:s0:c1,c2", UID: number(0)}},
	} {
		if got, err := Parse(c.values); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %+v, %v", c.values, got, err)
		}
	}
}

// TestParseRefusesT80 has, among others, the value that Apptainer panics on.
func TestParseRefusesT80(t *testing.T) {
	for value, want := range map[string]string{
		"":                  "an option needs a value",
		"seccomp":           "--security seccomp: an option needs a value",
		"seccomp:":          "an option needs a value",
		"uid:99,":           "an option needs a value",
		"seccomp:a,b":       "--security b: an option needs a value",
		"smack:x":           `unknown option "smack"`,
		"uid:alice":         `"alice" is not the number`,
		"uid:-1":            `"-1" is not the number`,
		"uid:4294967295":    "is not the number",
		"uid:4294967296":    "is not the number",
		"gid:5:":            `"" is not the number`,
		"gid:5:x":           `"x" is not the number`,
		"apparmor:a\nb":     "is no label",
		"uid:1,uid:2":       "uid is given twice",
		"apparmor:a,":       "an option needs a value",
		"selinux:a,uid:x":   `"x" is not the number`,
		"apparmor:a,gid":    "--security gid: an option needs a value",
		"selinux:a,seccomp": "--security seccomp: an option needs a value",
	} {
		if o, err := Parse([]string{value}); err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("%q: %+v, %v", value, o, err)
		}
	}
	if _, err := Parse([]string{"apparmor:a", "selinux:b"}); err == nil || hint.Of(err) == "" {
		t.Errorf("two modules: %v", err)
	}
}

func TestCheckT80(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for name, c := range map[string]struct {
		root fstest.MapFS
		lsm  string
		runs bool
	}{
		"no label":          {fstest.MapFS{}, "", true},
		"no apparmor":       {fstest.MapFS{}, "apparmor", false},
		"apparmor off":      {fstest.MapFS{"sys/module/apparmor/parameters/enabled": file("N\n")}, "apparmor", false},
		"apparmor":          {fstest.MapFS{"sys/module/apparmor/parameters/enabled": file("Y\n")}, "apparmor", true},
		"no selinux":        {fstest.MapFS{}, "selinux", false},
		"selinux":           {fstest.MapFS{"sys/fs/selinux/enforce": file("1")}, "selinux", true},
		"another one is on": {fstest.MapFS{"sys/fs/selinux/enforce": file("1")}, "apparmor", false},
	} {
		err := (&Options{LSM: c.lsm, Label: "x"}).Check(&host.Facts{Root: c.root})
		if (err == nil) != c.runs || err != nil && !strings.Contains(hint.Of(err), c.lsm) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
