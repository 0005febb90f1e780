package steps

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// plain is a Form without variables, which fails for the user "bad".
type plain struct{}

func (plain) Place(line int, err error) error { return fmt.Errorf("line %d: %w", line, err) }

var errBad = errors.New("bad user")

func (plain) Expand(do Instruction, _ map[string]string, _ *int) (Instruction, error) {
	if user, ok := do.(User); ok && user == "bad" {
		return nil, errBad
	}
	return do, nil
}

// next does one instruction after another.
func next(t *testing.T, s *State, instructions ...Instruction) Instruction {
	t.Helper()
	var last Step
	for i, do := range instructions {
		var err error
		if last, err = s.Next(Step{Line: i + 1, Do: do, Form: plain{}}); err != nil {
			t.Fatal(err)
		}
	}
	return last.Do
}

func text(t *testing.T, c Config) string {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func full(t *testing.T) Config {
	t.Helper()
	var c Config
	if err := json.Unmarshal([]byte(`{"User":"u","Env":["A=1"],"Labels":{"l":"1"},"Volumes":{"/v":{}},"ExposedPorts":{"1/tcp":{}},
		"OnBuild":["RUN a"],"Shell":["/s"],"Cmd":["c"],"Entrypoint":["e"],"WorkingDir":"/w","StopSignal":"1",
		"Healthcheck":{"Test":["NONE"]}}`), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// everything is an instruction of every kind that changes a configuration.
func everything() []Instruction {
	return []Instruction{
		Env{{"A", "2"}, {"B", "3"}}, Label{{"l", "2"}}, Volume{"/x"}, Expose{"2"}, Onbuild("RUN b"), Shell{"/t", "-c"},
		Entrypoint{Command{Words: []string{"f"}}}, Cmd{Command{Words: []string{"d"}, Shell: true}}, Workdir("x"), User("w"),
		StopSignal("TERM"), Healthcheck{Test: []string{"CMD", "h"}}, Maintainer("m"), Arg{{Name: "C", Value: "4", Set: true}, {Name: "D"}},
	}
}

func TestBeginLeavesTheBaseAlone(t *testing.T) {
	base := full(t)
	before := text(t, base)
	s := Begin(base, nil)
	next(t, s, everything()...)
	if text(t, base) != before {
		t.Errorf("the base became %s", text(t, base))
	}
	const want = `{"User":"w","ExposedPorts":{"1/tcp":{},"2/tcp":{}},` +
		`"Env":["A=2","PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","B=3"],` +
		`"Entrypoint":["f"],"Cmd":["/t","-c","d"],"Volumes":{"/v":{},"/x":{}},"WorkingDir":"/w/x",` +
		`"Labels":{"l":"2","org.opencontainers.image.authors":"m"},"StopSignal":"TERM","Healthcheck":{"Test":["CMD","h"]},` +
		`"OnBuild":["RUN b"],"Shell":["/t","-c"]}`
	if got := text(t, s.Config); got != want {
		t.Errorf("%s", got)
	}
}

func TestDeriveIsIndependent(t *testing.T) {
	s := Begin(full(t), map[string]string{"http_proxy": "p"})
	next(t, s, Arg{{Name: "C", Value: "1", Set: true}}, Onbuild("RUN b"), Cmd{Command{Words: []string{"d"}}})
	before, environ := text(t, s.Config), s.Environ()
	d := s.Derive()
	if d.Config.OnBuild != nil || !slices.Equal(d.Environ(), environ) {
		t.Errorf("derived %v %v", d.Config.OnBuild, d.Environ())
	}
	next(t, d, everything()...)
	if text(t, s.Config) != before || !slices.Equal(s.Environ(), environ) {
		t.Errorf("the state became %s %v", text(t, s.Config), s.Environ())
	}
	if d.Environ()[0] != "A=2" || !slices.Contains(d.Environ(), "C=4") || !slices.Contains(d.Environ(), "http_proxy=p") {
		t.Error(d.Environ())
	}
}

func TestErrorsChangeNothing(t *testing.T) {
	s := Begin(full(t), nil)
	before := text(t, s.Config)
	for _, do := range []Instruction{
		User("bad"), StopSignal("NO"), Expose{"1", "x"}, Expose{""}, Expose{"2-1"},
		Run{Command: Command{Words: []string{"a"}}, Mounts: []Mount{{Target: "/", Options: "target=/"}}},
	} {
		_, err := s.Next(Step{Line: 7, Do: do, Form: plain{}})
		if err == nil || !strings.HasPrefix(err.Error(), "line 7: ") || text(t, s.Config) != before {
			t.Errorf("%s: %v; %s", do, err, text(t, s.Config))
		}
	}
	if _, err := s.Next(Step{Do: User("bad"), Form: plain{}}); !errors.Is(err, errBad) {
		t.Error(err)
	}
}

func TestMountTargets(t *testing.T) {
	s := Begin(full(t), nil)
	do := Run{Command: Command{Words: []string{"a"}}, Mounts: []Mount{{Target: "/a/"}, {Target: "b"}, {Target: "."}, {}}}
	run := next(t, s, do).(Run)
	var targets []string
	for _, m := range run.Mounts {
		targets = append(targets, m.Target)
	}
	if !slices.Equal(targets, []string{"/a", "/w/b", "/w", ""}) || do.Mounts[1].Target != "b" {
		t.Errorf("%q of %v", targets, do)
	}
}

func TestPorts(t *testing.T) {
	s := Begin(Config{}, nil)
	for word, want := range map[string]string{
		"80": "80/tcp", "0-2/UDP": "0/udp 1/udp 2/udp", "65535/sctp": "65535/sctp", "8080:80": "80/tcp", "[::1]:1:2": "2/tcp",
		"7-7": "7/tcp", "1/": "1/tcp",
	} {
		if got, err := s.ports(Expose{word}); err != nil || !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %v, %v", word, got, err)
		}
	}
	for _, word := range []string{"", "x", "-1", "1-", "2-1", "65536", "1/icmp", "0x1", "1_0", "+1"} {
		if got, err := s.ports(Expose{word}); err == nil {
			t.Errorf("%s: %v", word, got)
		}
	}
}

func TestSignals(t *testing.T) {
	for _, good := range []string{"1", "64", "TERM", "sigkill", "SIGUSR2", "SIGRTMIN", "RTMIN+15", "SIGRTMAX-14", "SIGRTMAX"} {
		if !isSignal(good) {
			t.Errorf("%s refused", good)
		}
	}
	for _, bad := range []string{"", "0", "65", "-1", "SIG", "SIGFOO", "SIGRTMIN+16", "SIGRTMAX+1", "TERM "} {
		if isSignal(bad) {
			t.Errorf("%s accepted", bad)
		}
	}
}

func TestAbsolute(t *testing.T) {
	s := Begin(Config{}, nil)
	s.Config.WorkingDir = "/w"
	for p, want := range map[string]string{
		"": "/w/", ".": "/w/", "./": "/w/", "a": "/w/a", "a/": "/w/a/", "a/.": "/w/a/", "../..": "/", "/": "/", "/a/../b//": "/b/", "/..": "/",
	} {
		if got := s.absolute(p); got != want {
			t.Errorf("%q: %q", p, got)
		}
	}
}

func TestFrom(t *testing.T) {
	image := Origin{Kind: OfImage, Image: "i"}
	for _, c := range []struct {
		do   Instruction
		want []Origin
	}{
		{User("a"), nil},
		{Copy{From: image}, []Origin{image}},
		{Run{Mounts: []Mount{{From: image}, {}}}, []Origin{image, {}}},
	} {
		if got := (Step{Do: c.do}).From(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", c.do, got)
		}
	}
}

func TestEverythingPrints(t *testing.T) {
	var lines []string
	for _, do := range everything() {
		lines = append(lines, Step{Line: 1, Do: do}.String())
	}
	const want = `1: env A="2" B="3"
1: label l="2"
1: volume ["/x"]
1: expose ["2"]
1: onbuild "RUN b"
1: shell ["/t" "-c"]
1: entrypoint exec ["f"]
1: cmd shell "d"
1: workdir "x"
1: user "w"
1: stopsignal TERM
1: healthcheck ["CMD" "h"] interval 0s timeout 0s start-period 0s start-interval 0s retries 0
1: maintainer "m"
1: arg C="4" D`
	if got := strings.Join(lines, "\n"); got != want {
		t.Error(got)
	}
}
