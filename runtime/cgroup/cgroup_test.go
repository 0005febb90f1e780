package cgroup

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sealift/sealift/starter/mountinfo"
)

func TestOwn(t *testing.T) {
	got := ""
	for _, g := range Own("9:name=systemd:/\n8:cpu,cpuacct:/a:b\n0::/user.slice\nbad\n") {
		got += fmt.Sprintln(g.Version, g.Path, g.Controllers)
	}
	if want := "1 /a:b [cpu cpuacct]\n2 /user.slice []\n"; got != want {
		t.Errorf("%s", got)
	}
}

// TestPlaces finds directories of groups through what is mounted of their hierarchies.
func TestPlaces(t *testing.T) {
	table := mountinfo.Parse([]byte(`1 0 0:1 / / rw - ext4 /dev/a rw
2 1 0:2 / /u rw - cgroup2 cgroup2 rw
3 1 0:3 / /odd rw - cgroup cgroup rw,cpu,cpuacct
4 1 0:4 /docker/1 /m rw shared:1 - cgroup cgroup rw,memory
5 1 0:2 /job /v rw - cgroup2 cgroup2 rw,nsdelegate
`))
	for _, c := range []struct {
		g    Group
		want []string
	}{
		{Group{Version: 2, Path: "/job/step"}, []string{"/v/step /v", "/u/job/step /u"}},
		{Group{Version: 2, Path: "/jobs"}, []string{"/u/jobs /u"}},
		{Group{Version: 2, Path: "/job"}, []string{"/v /v", "/u/job /u"}},
		{Group{Version: 1, Path: "/job", Controllers: []string{"cpuacct"}}, []string{"/odd/job /odd"}},
		{Group{Version: 1, Path: "/docker/1/x", Controllers: []string{"memory"}}, []string{"/m/x /m"}},
		{Group{Version: 1, Path: "/docker/12", Controllers: []string{"memory"}}, nil},
		{Group{Version: 1, Path: "/job", Controllers: []string{"pids"}}, nil},
		{Group{Version: 2, Path: "/../job"}, nil},
	} {
		dirs, tops := Places(c.g, table)
		var got []string
		for i := range dirs {
			got = append(got, dirs[i]+" "+tops[i])
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.g, got, c.want)
		}
	}
}
