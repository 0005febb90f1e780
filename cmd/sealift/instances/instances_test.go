package instances

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/runtime/instance"
)

func TestRestart(t *testing.T) {
	for _, c := range []struct {
		text        string
		never       bool
		code, times int
		again       bool
	}{
		{"no", true, 1, 0, false},
		{"always", false, 0, 1000, true},
		{"on-failure", false, 1, 1000, true},
		{"on-failure", false, 0, 0, false},
		{"on-failure:2", false, 5, 1, true},
		{"on-failure:2", false, 5, 2, false},
	} {
		var r restart
		if err := r.Set(c.text); err != nil || r.never() != c.never || r.again(c.code, c.times) != c.again || r.String() != c.text {
			t.Errorf("%+v: %+v, %v", c, r, err)
		}
	}
	for _, text := range []string{"", "yes", "on-failure:", "on-failure:0", "on-failure:-1", "on-failure:x", "always:2", "no:1"} {
		if err := new(restart).Set(text); err == nil {
			t.Errorf("%q is a policy", text)
		}
	}
	if r := (restart{}); !r.never() || r.again(1, 0) {
		t.Error("without a policy it is started again")
	}
	for number, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		if got := delay(number); got != want*time.Second {
			t.Errorf("delay %d: %v", number, got)
		}
	}
	if delay(1<<40) != maxDelay {
		t.Error("the delay runs over")
	}
}

// TestHealth follows states through checks: f fails, s succeeds.
func TestHealth(t *testing.T) {
	for _, c := range []struct {
		checks string
		start  time.Duration // the period at the start, with a check each second
		want   string
	}{
		{"", 0, "starting"},
		{"s", 0, "healthy"},
		{"ff", 0, "starting"},
		{"fff", 0, "unhealthy"},
		{"ffsff", 0, "healthy"},
		{"sfff", 0, "unhealthy"},
		{"fffs", 0, "healthy"},
		{"ffff", 3 * time.Second, "starting"},
		{"ffffff", 3 * time.Second, "unhealthy"},
		{"sfff", time.Hour, "unhealthy"},
	} {
		h := health{command: "x", retries: 3, startPeriod: c.start}
		state, failures := h.first(), 0
		for n, check := range c.checks {
			state = h.next(state, check == 'f', &failures, time.Duration(n)*time.Second)
		}
		if state != c.want {
			t.Errorf("%q: %s; want %s", c.checks, state, c.want)
		}
	}
	if (&health{}).first() != "" {
		t.Error("without a check there is a state")
	}
}

func TestSignals(t *testing.T) {
	for text, want := range map[string]unix.Signal{
		"TERM": unix.SIGTERM, "SIGTERM": unix.SIGTERM, "sigint": unix.SIGINT, "2": unix.SIGINT, "KILL": unix.SIGKILL, "9": unix.SIGKILL, "usr1": unix.SIGUSR1,
	} {
		if got, err := parseSignal(text); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "STOP", "TSTP", "CONT", "SEGV", "64", "SIGSIGTERM", "TERM ", "999999999999999999999"} {
		if got, err := parseSignal(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestTables(t *testing.T) {
	list := []*instance.Instance{
		{State: &instance.State{Name: "web", Image: "/images/w\x1b[31m.sif", Status: instance.Running, Health: "healthy", Restarts: 2, Init: instance.Process{PID: 1234}}, Out: "/l/web.out", Err: "/l/web.err"},
		{State: &instance.State{Name: "database", Image: "db.sif", Status: instance.Ended, Exit: 3}},
		{State: &instance.State{Name: "c", Image: "db.sif", Status: instance.Running, Health: healthStarting, Init: instance.Process{PID: 7}}},
	}
	for _, c := range []struct {
		logs, all bool
		want      string
	}{
		{false, false, `INSTANCE NAME    PID     IP    IMAGE
web              1234          /images/w�[31m.sif
database         0             db.sif
c                7             db.sif
`},
		{false, true, `INSTANCE NAME    PID     IP    IMAGE                 STATE
web              1234          /images/w�[31m.sif    running, healthy, restarts: 2
database         0             db.sif                ended with status 3
c                7             db.sif                running, not checked yet
`},
	} {
		var b bytes.Buffer
		if err := printTable(&b, list, c.logs, c.all); err != nil || b.String() != c.want {
			t.Errorf("%v\n%q\nwant\n%q", err, b.String(), c.want)
		}
	}
	var b bytes.Buffer
	want := "INSTANCE NAME    PID     LOGS\nweb              1234    /l/web.err\n                         /l/web.out\n"
	if err := printTable(&b, list[:1], true, false); err != nil || b.String() != want {
		t.Errorf("%v\n%s", err, b.String())
	}
	b.Reset()
	if err := printJSON(&b, nil); err != nil || b.String() != "{\n\t\"instances\": []\n}\n" {
		t.Errorf("%v %s", err, b.String())
	}
}

func TestStats(t *testing.T) {
	m := measured{"db", instance.Usage{Memory: 1 << 20, Limit: 4 << 30, Read: 2047, PIDs: 3}, 12.345}
	var b bytes.Buffer
	want := "INSTANCE NAME    CPU USAGE    MEM USAGE / LIMIT    MEM %    BLOCK I/O        PIDS\n" +
		"db               12.35%       1MiB / 4GiB          0.02%    1.999KiB / 0B    3\n"
	if err := print(&b, []measured{m}, false, true, false); err != nil || strings.ReplaceAll(b.String(), "12.34%", "12.35%") != want {
		t.Errorf("%v\n%s", err, b.String())
	}
	b.Reset()
	if err := print(&b, []measured{m}, true, true, false); err != nil || !strings.Contains(b.String(), `"memory": 1048576,`) {
		t.Errorf("%v\n%s", err, b.String())
	}
}
