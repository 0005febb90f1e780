package cgroup

import "testing"

func TestSame(t *testing.T) {
	for _, c := range []struct {
		file, wrote, shows string
		want               bool
	}{
		{"pids.max", "64", "64\n", true},
		{"pids.max", "64", "max\n", false},
		{"memory.max", "67108865", "67108864\n", true},
		{"memory.max", "67108864", "max\n", false},
		{"memory.max", "67108864", "33554432\n", false},
		{"memory.high", "16M", "16777216\n", true},
		{"memory.high", "16k", "16777216\n", false},
		{"memory.max", "max", "max\n", true},
		{"memory.limit_in_bytes", "5000", "8192\n", true},
		{"memory.limit_in_bytes", "-1", "9223372036854771712\n", true},
		{"memory.limit_in_bytes", "-1", "4096\n", false},
		{"memory.limit_in_bytes", "4096", "9223372036854771712\n", false},
		{"memory.limit_in_bytes", "4096", "", false},
		{"memory.oom_control", "1", "oom_kill_disable 1\nunder_oom 0\noom_kill 0\n", true},
		{"memory.oom_control", "1", "oom_kill_disable 0\nunder_oom 1\n", false},
		{"cpuset.cpus.effective", "0,1,2", "0-2\n", true},
		{"cpuset.cpus.effective", "0-3", "0-2\n", false},
		{"cpuset.cpus", "0", "\n", false},
		{"cpu.max", "30000 100000", "30000 100000\n", true},
		{"cpu.max", "30000 100000", "max 100000\n", false},
		{"io.weight", "910", "default 910\n", true},
		{"io.weight", "910", "default 100\n8:0 910\n", false},
		{"io.bfq.weight", "8:0 200", "default 100\n8:0 200\n", true},
		{"io.max", "8:0 rbps=1000", "8:16 rbps=1000 wbps=max\n8:0 rbps=1000 wbps=max riops=max wiops=max\n", true},
		{"io.max", "8:0 rbps=1000", "8:0 rbps=1001 wbps=max riops=max wiops=max\n", false},
		{"rdma.max", "mlx5_0 hca_handle=2", "mlx5_0 hca_handle=2 hca_object=max\n", true},
	} {
		if got := Same(c.file, c.wrote, c.shows, 4096); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}
