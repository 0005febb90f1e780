package cgroup

import (
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/bounded"
)

// texts returns what limits come to in one version, a line for each file.
func texts(t *testing.T, l *Limits, version int) string {
	t.Helper()
	list, err := l.settings()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, s := range list {
		n := Nest{Version: version}
		if len(n.Writes(s)) == 0 {
			b.WriteString("none: " + s.Name + "\n")
		}
		for i, w := range n.Writes(s) {
			b.WriteString(strings.Repeat("or ", i) + w.File + " = " + w.Text)
			if w.Read != w.File {
				b.WriteString(" as " + w.Read)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

const everything = `
[memory]
limit = 67108864
reservation = 33554432
swap = 100663296
kernel = 1048576
kernelTCP = 4096
swappiness = 10
disableOOMKiller = true
[cpu]
shares = 512
quota = 50000
period = 100000
realtimeRuntime = 1000
realtimePeriod = 2000
cpus = "0-1"
mems = "0"
[pids]
limit = 64
[blockIO]
weight = 100
leafWeight = 50
[[blockIO.weightDevice]]
major = 8
minor = 0
weight = 1000
leafWeight = 20
[[blockIO.throttleReadBpsDevice]]
major = 8
minor = 16
rate = 1000
[[blockIO.throttleWriteIOPSDevice]]
major = 8
minor = 16
rate = 5
[[hugepageLimits]]
pageSize = "2MB"
limit = 4194304
[network]
classID = 1048577
[[network.priorities]]
name = "eth0"
priority = 5
[rdma.mlx5_0]
hcaHandles = 2
hcaObjects = 9
[[devices]]
allow = false
access = "rw"
type = "c"
major = 1
minor = 3
[unified]
"memory.high" = "1M"
`

func TestVersion1(t *testing.T) {
	l, err := Parse("x.toml", []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	want := `memory.limit_in_bytes = 67108864
memory.soft_limit_in_bytes = 33554432
memory.kmem.limit_in_bytes = 1048576
memory.kmem.tcp.limit_in_bytes = 4096
memory.memsw.limit_in_bytes = 100663296
memory.swappiness = 10
memory.oom_control = 1
cpu.shares = 512
cpu.cfs_period_us = 100000
cpu.cfs_quota_us = 50000
cpu.rt_period_us = 2000
cpu.rt_runtime_us = 1000
cpuset.cpus = 0-1
cpuset.mems = 0
pids.max = 64
blkio.weight = 100
or blkio.bfq.weight = 100
blkio.leaf_weight = 50
blkio.weight_device = 8:0 1000
or blkio.bfq.weight_device = 8:0 1000
blkio.leaf_weight_device = 8:0 20
blkio.throttle.read_bps_device = 8:16 1000
blkio.throttle.write_iops_device = 8:16 5
hugetlb.2MB.limit_in_bytes = 4194304
net_cls.classid = 1048577
net_prio.ifpriomap = eth0 5
rdma.max = mlx5_0 hca_handle=2 hca_object=9
devices.deny = c 1:3 rw as 
none: memory.high
`
	if got := texts(t, &l, 1); got != want {
		t.Errorf("%s", got)
	}
}

func TestVersion2(t *testing.T) {
	l, err := Parse("x.toml", []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	want := `memory.max = 67108864
memory.low = 33554432
none: limit of the kernel's memory
none: limit of TCP's memory
memory.swap.max = 33554432
none: swappiness
none: switch of the OOM killer
cpu.weight = 58
cpu.max = 50000 100000
cpu.max = 50000 100000
none: realtime period
none: realtime share
cpuset.cpus = 0-1 as cpuset.cpus.effective
cpuset.mems = 0 as cpuset.mems.effective
pids.max = 64
io.bfq.weight = 100
or io.weight = 910
none: leaf weight
io.bfq.weight = 8:0 1000
or io.weight = 8:0 10000
none: leaf weight of device 8:0
io.max = 8:16 rbps=1000
io.max = 8:16 wiops=5
hugetlb.2MB.max = 4194304
none: network class
none: network priority
rdma.max = mlx5_0 hca_handle=2 hca_object=9
none: rule of devices
memory.high = 1M
`
	if got := texts(t, &l, 2); got != want {
		t.Errorf("%s", got)
	}
}

func TestUnlimited(t *testing.T) {
	l, err := Parse("x.toml", []byte("[memory]\nlimit = -1\nswap = -1\n[pids]\nlimit = -1\n[cpu]\nquota = -1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := texts(t, &l, 1), "memory.limit_in_bytes = -1\nmemory.memsw.limit_in_bytes = -1\ncpu.cfs_quota_us = -1\npids.max = max\n"; got != want {
		t.Errorf("%s", got)
	}
	if got, want := texts(t, &l, 2), "memory.max = max\nmemory.swap.max = max\ncpu.max = max 100000\npids.max = max\n"; got != want {
		t.Errorf("%s", got)
	}
	nothing, err := Parse("x.toml", []byte("[memory]\nlimit = 0\n[pids]\nlimit = 0\n"))
	if err != nil || texts(t, &nothing, 2) != "" {
		t.Errorf("%v, %s", err, texts(t, &nothing, 2))
	}
}

// TestForged refuses files that would limit nothing, or something else.
func TestForged(t *testing.T) {
	for text, want := range map[string]string{
		"memory]\nlimit = 1024":                             "x.toml:1:",
		"[memory]\nlimits = 1":                              "x.toml:2:1: memory.limits is not a setting",
		"[memorry]\nlimit = 1":                              "not a setting",
		"[memory]\nlimit = \"64M\"":                         "x.toml:2:",
		"[memory]\nlimit = 99999999999999999999":            "x.toml:2:",
		"[memory]\nlimit = -2":                              "x.toml: -2 is no memory limit",
		"[memory]\nswap = 1024":                             "needs a limit of memory",
		"[memory]\nlimit = 4096\nswap = 1024":               "needs a limit of memory",
		"[memory]\nlimit = 4096\nswap = -5":                 "no limit of swap space",
		"[cpu]\nshares = 1":                                 "between 2 and 262144",
		"[cpu]\ncpus = \"0-\"":                              "not a list of numbers",
		"[cpu]\ncpus = \"3-1\"":                             "not a list of numbers",
		"[cpu]\nmems = \"0\\n1\"":                           "not a list of numbers",
		"[cpu]\ncpus = \"99999999\"":                        "not a list of numbers",
		"[pids]\nlimit = -2":                                "no limit of processes",
		"[pids]\nlimit = 15":                                "15 processes is too low",
		"[blockIO]\nweight = 5":                             "between 10 and 1000",
		"[[blockIO.weightDevice]]\nmajor=8\nweight = 2000":  "between 10 and 1000",
		"[[hugepageLimits]]\npageSize = \"../x\"":           "no size of huge pages",
		"[unified]\n\"../memory.max\" = \"1\"":              "no file of a controller",
		"[unified]\n\"cgroup.kill\" = \"1\"":                "no file of a controller",
		"[unified]\nmemory = \"1\"":                         "no file of a controller",
		"[[devices]]\nallow = true\ntype = \"c 1:3 rwm\"":   "a rule of devices",
		"[[devices]]\nallow = true\naccess = \"rwm\\na *\"": "a rule of devices",
		"[[devices]]\nallow = true\nmajor = 1\nminor = 3":   "needs the type b or c",
		"[[devices]]\nallow = false\naccess = \"w\"":        "needs the type b or c",
	} {
		if _, err := Parse("x.toml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := Parse("x.toml", []byte("[memory]\nlimits = 1")); hint.Of(err) == "" {
		t.Errorf("no hint: %v", err)
	}
}

func TestProcessors(t *testing.T) {
	for text, want := range map[string]int64{"1": 100000, "0.5": 50000, "2": 200000, "0.01": 1000, "1/2": 50000, "1.234567891": 123456} {
		var c CPU
		if err := c.Processors(text, 2); err != nil || *c.Quota != want || *c.Period != 100000 {
			t.Errorf("%s: %v, %+v", text, err, c)
		}
	}
	for _, text := range []string{"", "x", "0", "-1", "0.009", "2.1", "1e99", "NaN", "inf"} {
		var c CPU
		if err := c.Processors(text, 2); err == nil {
			t.Errorf("%q is taken: %+v", text, c)
		}
	}
}

func TestWeights(t *testing.T) {
	for shares, want := range map[uint64]uint64{2: 1, 1024: 100, 262144: 10000, 512: 58, 2048: 173} {
		if got := cpuWeight(shares); got != want {
			t.Errorf("%d shares: %d, want %d", shares, got, want)
		}
	}
	last := uint64(0)
	for s := uint64(2); s <= maxShares; s += 7 {
		if w := cpuWeight(s); w < last || w < 1 || w > 10000 {
			t.Fatalf("%d shares: %d after %d", s, w, last)
		} else {
			last = w
		}
	}
}

// FuzzParse (F16) holds that no file crashes, and that what passes has settings with plain
// file names.
func FuzzParse(f *testing.F) {
	f.Add([]byte(everything))
	f.Fuzz(func(t *testing.T, text []byte) {
		bounded.Do(t, func() {
			l, err := Parse("x", text)
			if err != nil {
				return
			}
			list, err := l.settings()
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range list {
				for _, w := range append(s.V1, s.V2...) {
					if strings.Contains(w.File, "/") {
						t.Errorf("%q", w.File)
					}
				}
			}
		})
	})
}
