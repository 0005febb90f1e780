package sweep

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const trace = `10 read(3, "", 8) = 0
10 read(3, "", 8) = 0
11 read(3, "" <unfinished ...>
11 close(3) = 0
11 <... read resumed>) = 0
10 read(3, 0x1, 8) = -1 EIO (Input/output error) (INJECTED)
10 --- SIGTERM {si_signo=SIGTERM, si_code=SI_KERNEL} ---
10 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=0} ---
11 +++ killed by SIGKILL +++
10 +++ killed by SIGKILL +++
`

func TestTrace(t *testing.T) {
	if got, want := count(trace), map[string]int{"read": 3, "close": 1}; !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
	for what, want := range map[string]int{"error=EIO": 1, "signal=TERM": 1, "signal=KILL": 1, "signal=HUP": 0} {
		if got := hits(trace, Fault{"read", what, 1}); got != want {
			t.Errorf("%s: %d hits, not %d", what, got, want)
		}
	}
}

func TestFaults(t *testing.T) {
	all := All(map[string]int{"clone": 2, "read": 40, "getpid": 7})
	if len(all) != 2*3+40*5 || all[0] != (Fault{"clone", "signal=KILL", 1}) {
		t.Errorf("%d, the first %v", len(all), all[0])
	}
	for n, want := range map[int]int{1: 1, 10: 10, 30: 30, 1000: len(all)} {
		few := Thin(all, n)
		if len(few) != want {
			t.Errorf("%d of %d", len(few), n)
		}
		seen := map[Fault]bool{}
		for _, f := range few {
			if seen[f] || !slices.Contains(all, f) {
				t.Errorf("%v twice, or made up", f)
			}
			seen[f] = true
		}
	}
	last := 0
	for _, f := range Thin(all, 30) {
		if f.Call == "read" {
			last = max(last, f.N)
		}
	}
	if last < 36 {
		t.Errorf("the last is %d of 40", last)
	}
}

func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	look := func() Snapshot {
		t.Helper()
		s, err := Look(dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	put("a", "old")
	put("b", "same")
	before := look()
	put("a", "new")
	put("c", "made")
	after := look()
	if torn, extra := after.Torn(before, after), before.Extra(before, after); torn != nil || extra != nil {
		t.Errorf("%q, %q", torn, extra)
	}
	put("a", "n")
	put(".tmp", "")
	if err := os.Remove(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	now := look()
	if torn, extra := now.Torn(before, after), now.Extra(before, after); !slices.Equal(torn, []string{"a", "b is gone"}) || !slices.Equal(extra, []string{".tmp"}) {
		t.Errorf("%q, %q", torn, extra)
	}
	if err := Age(dir, []string{".tmp"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(filepath.Join(dir, ".tmp")); err != nil || time.Since(st.ModTime()) < time.Hour {
		t.Errorf("%v, %v", st, err)
	}
}

// TestRun runs real programs, one of which ends only because it must.
func TestRun(t *testing.T) {
	for script, want := range map[string]Result{
		"echo out; echo err >&2; exit 3": {Status: 3, Stdout: "out\n", Stderr: "err\n"},
		"kill -TERM $$":                  {Status: 143, Killed: true},
		"sleep 60":                       {Status: 137, Killed: true, Hung: true},
	} {
		got, err := Command{Path: "/bin/sh", Args: []string{"-c", script}}.Run(time.Second)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", script, got, err)
		}
	}
	if _, err := (Command{Path: "/does/not/exist"}).Run(time.Second); err == nil {
		t.Error("a program that is not there was run")
	}
}

func TestTable(t *testing.T) {
	var table Table
	table.Add("build", Fault{"read", "error=EIO", 1}, Failed)
	table.Add("build", Fault{"read", "error=EIO", 2}, WentOn)
	lines := strings.Split(table.String(), "\n")
	if len(lines) != 4 || strings.Join(strings.Fields(lines[1]), " ") != "all 0 1 1 0 0 0" ||
		strings.Join(strings.Fields(lines[2]), " ") != "build read error=EIO 0 1 1 0 0 0" {
		t.Errorf("%q", lines)
	}
}
