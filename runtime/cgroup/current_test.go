package cgroup

import (
	"testing"
	"time"
)

func TestMade(t *testing.T) {
	made := Made([]Group{
		{Version: 1, Dir: "/sys/fs/cgroup/memory/job/sealift-12-34"}, {Version: 1, Dir: "/sys/fs/cgroup/pids"}, {Version: 1},
		{Version: 2, Dir: "/sys/fs/cgroup/x/sealift-callers"}, {Version: 2, Dir: "/sys/fs/cgroup/x/sealift-7.scope"},
	})
	if len(made) != 1 || made[0].Dir != "/sys/fs/cgroup/memory/job/sealift-12-34" {
		t.Errorf("%+v", made)
	}
}

func TestCurrent(t *testing.T) {
	for version, files := range map[int]map[string]string{
		1: {
			"memory.usage_in_bytes": "4096\n", "memory.limit_in_bytes": "9223372036854771712\n", "cpuacct.usage": "2000000000\n", "pids.current": "3\n",
			"blkio.throttle.io_service_bytes_recursive": "8:0 Read 10\n8:0 Write 20\nTotal 30\n",
		},
		2: {"memory.current": "4096\n", "memory.max": "max\n", "cpu.stat": "usage_usec 2000000\nuser_usec 1\n", "pids.current": "3\n", "io.stat": "8:0 rbytes=10 wbytes=20\n"},
	} {
		var c Current
		c.Observe(version, func(file string) (string, bool) { text, ok := files[file]; return text, ok })
		if *c.Memory != 4096 || c.Limit != nil || *c.CPU != 2*time.Second || *c.PIDs != 3 || *c.Read != 10 || *c.Written != 20 {
			t.Errorf("version %d: %+v", version, c)
		}
		files["memory.max"], files["memory.limit_in_bytes"] = "8192\n", "8192\n"
		if c.Observe(version, func(file string) (string, bool) { text, ok := files[file]; return text, ok }); *c.Limit != 8192 {
			t.Errorf("version %d: %d", version, *c.Limit)
		}
		var none Current
		if none.Observe(version, func(string) (string, bool) { return "", false }); none != (Current{}) {
			t.Errorf("version %d: %+v", version, none)
		}
	}
}
