package host

import "testing"

func TestMemoryLimit(t *testing.T) {
	v1, v2 := "/sys/fs/cgroup/memory", "/sys/fs/cgroup"
	file := func(text string) string { return text + "\n" }
	files := map[string]string{
		v2 + "/job/memory.max":            file("2147483648"),
		v2 + "/job/step/memory.max":       file("max"),
		v2 + "/job/step/task/memory.max":  file("4294967296"),
		v2 + "/small/memory.max":          file("1048576"),
		v1 + "/memory.limit_in_bytes":     file("9223372036854771712"),
		v1 + "/job/memory.limit_in_bytes": file("1073741824"),
		v1 + "/bad/memory.limit_in_bytes": file("many"),
	}
	for cgroups, want := range map[string]int64{
		"":                          0,
		"0::/\n":                    0,
		"0::/job/step/task\n":       2 << 30,
		"0::/job/step\n":            2 << 30,
		"0::/elsewhere\n":           0,
		"0::/../../small\n":         1 << 20,
		"4:memory:/job\n0::/\n":     1 << 30,
		"4:cpu,memory:/job/step\n":  1 << 30,
		"4:memory:/\n3:cpuset:/x\n": 0,
		"4:memory:/bad\n":           0,
		"4:memory:/job\n0::/small":  1 << 20,
		"nonsense\n4:memory\n":      0,
	} {
		if got := memoryLimit(cgroups, func(name string) string { return files[name] }); got != want {
			t.Errorf("%q: %d, want %d", cgroups, got, want)
		}
	}
}

func TestRoom(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:       16000 kB\nMemAvailable:    8000 kB\n": 8000 << 10,
		"MemTotal: 1 kB\n":                  0,
		"MemAvailable: many kB\n":           0,
		"MemAvailable: -1 kB\n":             -1 << 10,
		"MemAvailable: 1152921504606 kB":    1152921504606 << 10,
		"MemAvailable: 9223372036854775 kB": 0,
	} {
		if got := available(text); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
	all := (&Facts{}).Room()
	if all <= 0 || (&Facts{MemoryLimit: 1 << 20}).Room() != 1<<19 || binding(1<<20) != 1<<20 || binding(1<<50) != 0 || binding(0) != 0 {
		t.Errorf("there is room for %d", all)
	}
}
