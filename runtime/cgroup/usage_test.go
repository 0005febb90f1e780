package cgroup

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

func files(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { text, ok := m[name]; return text, ok }
}

func TestUsage(t *testing.T) {
	const want = `{"memory_peak_bytes":4096,"cpu_user_seconds":1.5,"cpu_system_seconds":0.25,"io_read_bytes":30,"io_written_bytes":4,"pids_peak":7,"oom_kills":1,"wall_seconds":0}`
	for version, text := range map[int]map[string]string{
		2: {
			"memory.peak": "4096\n", "pids.peak": "7\n", "memory.events": "low 0\noom 3\noom_kill 1\n",
			"cpu.stat": "usage_usec 1750000\nuser_usec 1500000\nsystem_usec 250000\n",
			"io.stat":  "8:0 rbytes=10 wbytes=4 rios=1 wios=1\n8:16 rbytes=20 wbytes=0\n",
		},
		1: {
			"memory.max_usage_in_bytes": "4096\n", "pids.peak": "7\n", "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
			"cpuacct.usage_user": "1500000000\n", "cpuacct.usage_sys": "250000000\n",
			"blkio.throttle.io_service_bytes_recursive": "8:0 Read 10\n8:0 Write 4\n8:0 Total 14\n8:16 Read 20\nTotal 34\n",
		},
	} {
		var u Usage
		u.Observe(version, files(text))
		if got, err := json.Marshal(u); err != nil || string(got) != want {
			t.Errorf("version %d: %v\n%s", version, err, got)
		}
	}
	var u Usage
	u.Observe(2, files(map[string]string{"cpu.stat": "nonsense\nuser_usec x\n", "io.stat": ""}))
	if got, _ := json.Marshal(u); !strings.Contains(string(got), `"memory_peak_bytes":null,"cpu_user_seconds":null`) || !strings.Contains(string(got), `"io_read_bytes":0`) {
		t.Errorf("%s", got)
	}
	if text := u.Text(func(n int64) string { return strconv.FormatInt(n, 10) + " B" }); !strings.Contains(text, "peak memory     unknown\n") || !strings.Contains(text, "0 B read") {
		t.Errorf("%s", text)
	}
}

func TestKilled(t *testing.T) {
	peak := int64(1000)
	u := Usage{MemoryPeak: &peak}
	size := func(n int64) string { return strconv.FormatInt(n, 10) + " B" }
	if got := u.Killed(1000, true, size); got != "" {
		t.Errorf("nothing was killed: %q", got)
	}
	u.Kills = 2
	for _, c := range []struct {
		limit int64
		whole bool
		want  string
	}{
		{1000, true, "the container was killed: it used up its memory limit of 1000 B (peak 1000 B)"},
		{1000, false, "a process of the container was killed: it used up its memory limit of 1000 B"},
		{5000, true, "the container was killed: memory ran out above it, in the job or the machine (peak 1000 B)"},
		{0, false, "a process of the container was killed: memory ran out above it"},
	} {
		if got := u.Killed(c.limit, c.whole, size); !strings.HasPrefix(got, c.want) || strings.Contains(got, "\n") {
			t.Errorf("%+v: %q", c, got)
		}
	}
	u.MemoryPeak = nil
	if got := u.Killed(1000, true, size); got != "the container was killed: it used up its memory limit of 1000 B; give it more with --memory, or use fewer processes or smaller pieces" {
		t.Errorf("%q", got)
	}
}
