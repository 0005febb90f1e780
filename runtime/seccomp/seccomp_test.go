package seccomp

import (
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	filter "github.com/sealift/sealift/starter/seccomp"
)

func parse(t *testing.T, text string) *Profile {
	t.Helper()
	p, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func compile(t *testing.T, p *Profile, target Target) []unix.SockFilter {
	t.Helper()
	flags, text, err := p.Compile(target)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := filter.ParseFlags(flags); err != nil {
		t.Error(err)
	}
	code, err := filter.ParseProgram(text)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

const (
	x86_64 = unix.AUDIT_ARCH_X86_64
	i386   = unix.AUDIT_ARCH_I386
	allow  = unix.SECCOMP_RET_ALLOW
	kill   = unix.SECCOMP_RET_KILL_PROCESS
	eperm  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
)

// TestWhatCallsGetT80 compiles profiles and puts calls through them.
func TestWhatCallsGetT80(t *testing.T) {
	amd64 := Target{Arch: "amd64", Kernel: "6.1.0-1-amd64"}
	for name, c := range map[string]struct {
		profile string
		target  Target
		want    map[call]uint32
	}{
		"a list of what is forbidden": {`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
			{"names": ["mkdir", "mkdirat", "no_such_call"], "action": "SCMP_ACT_KILL_PROCESS"},
			{"name": "chdir", "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
			{"names": ["ptrace"], "action": "SCMP_ACT_KILL"}, {"names": ["sync"], "action": "SCMP_ACT_LOG"},
			{"names": ["pause"], "action": "SCMP_ACT_TRAP"}, {"names": ["getuid"], "action": "SCMP_ACT_TRACE", "errnoRet": 7}]}`,
			amd64, map[call]uint32{
				{nr: 83, arch: x86_64}: kill, {nr: 258, arch: x86_64}: kill, {nr: 82, arch: x86_64}: allow, {nr: 84, arch: x86_64}: allow,
				{nr: 80, arch: x86_64}: unix.SECCOMP_RET_ERRNO | 38, {nr: 101, arch: x86_64}: unix.SECCOMP_RET_KILL_THREAD,
				{nr: 162, arch: x86_64}: unix.SECCOMP_RET_LOG, {nr: 34, arch: x86_64}: unix.SECCOMP_RET_TRAP,
				{nr: 102, arch: x86_64}: unix.SECCOMP_RET_TRACE | 7, {nr: 99999, arch: x86_64}: allow,
				// Other architectures are not named.
				{nr: 0, arch: i386}: kill, {nr: x32Bit, arch: x86_64}: kill, {nr: math.MaxUint32, arch: x86_64}: kill, {nr: 0, arch: 7}: kill,
			}},
		"a list of what is allowed": {`{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
			"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_S390X"],
			"syscalls": [{"names": ["read", "ioctl", "execve"], "action": "SCMP_ACT_ALLOW"}, {"names": ["write"], "action": "SCMP_ACT_ERRNO"}]}`,
			amd64, map[call]uint32{
				{nr: 0, arch: x86_64}: allow, {nr: 1, arch: x86_64}: eperm, {nr: 16, arch: x86_64}: allow,
				{nr: 3, arch: i386}: allow, {nr: 0, arch: i386}: eperm, {nr: 54, arch: i386}: allow,
				{nr: x32Bit, arch: x86_64}: allow, {nr: x32Bit | 16, arch: x86_64}: eperm, {nr: x32Bit | 514, arch: x86_64}: allow,
				{nr: 514, arch: x86_64}: eperm, {nr: 0, arch: unix.AUDIT_ARCH_S390X}: kill,
			}},
		"Docker's form": {`{"defaultAction": "SCMP_ACT_ERRNO", "archMap": [
			{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}, {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
			"syscalls": [
				{"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
				{"names": ["read"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
				{"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
				{"names": ["write"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["s390x"]}},
				{"names": ["open"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390x"]}},
				{"names": ["close"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["amd64"]}},
				{"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
				{"names": ["stat"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "6.2"}},
				{"names": ["fstat"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "6.1"}, "comment": "x", "args": []}]}`,
			amd64, map[call]uint32{
				{nr: 165, arch: x86_64}: eperm, {nr: 0, arch: x86_64}: allow, {nr: 158, arch: x86_64}: allow, {nr: 1, arch: x86_64}: allow,
				{nr: 2, arch: x86_64}: eperm, {nr: 3, arch: x86_64}: eperm, {nr: 101, arch: x86_64}: allow, {nr: 4, arch: x86_64}: eperm,
				{nr: 5, arch: x86_64}: eperm, {nr: 3, arch: i386}: allow, {nr: x32Bit, arch: x86_64}: kill,
			}},
		"errors by name": {`{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENOSYS", "defaultErrnoRet": 1, "syscalls": [
				{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "errno": "EPERM"}]}`,
			amd64, map[call]uint32{{nr: 0, arch: x86_64}: eperm, {nr: 1, arch: x86_64}: unix.SECCOMP_RET_ERRNO | 38}},
		"capabilities": {`{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
				{"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
				{"names": ["read"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}}]}`,
			Target{Arch: "amd64", Kernel: "odd", Caps: math.MaxUint64}, map[call]uint32{{nr: 165, arch: x86_64}: allow, {nr: 0, arch: x86_64}: eperm}},
		"arm64": {`{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_ARM"], "syscalls": [{"names": ["read", "set_tls"], "action": "SCMP_ACT_ALLOW"}]}`,
			Target{Arch: "arm64"}, map[call]uint32{
				{nr: 63, arch: unix.AUDIT_ARCH_AARCH64}: allow, {nr: 3, arch: unix.AUDIT_ARCH_ARM}: allow, {nr: 0xf0005, arch: unix.AUDIT_ARCH_ARM}: allow,
				{nr: 3, arch: unix.AUDIT_ARCH_AARCH64}: eperm, {nr: 0, arch: x86_64}: kill,
			}},
		"conditions on one argument are alternatives": {`{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [
				{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}]}`,
			amd64, map[call]uint32{
				{nr: 135, arch: x86_64}: allow, {nr: 135, arch: x86_64, args: [6]uint64{8}}: allow, {nr: 135, arch: x86_64, args: [6]uint64{1}}: eperm,
				{nr: 135, arch: x86_64, args: [6]uint64{8 | 1<<32}}: eperm,
			}},
		"multiplexed calls of 386": {`{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "syscalls": [
				{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}]},
				{"names": ["shmget"], "action": "SCMP_ACT_ERRNO"}]}`,
			amd64, map[call]uint32{
				{nr: 359, arch: i386, args: [6]uint64{40}}: eperm, {nr: 359, arch: i386, args: [6]uint64{2}}: allow,
				{nr: 102, arch: i386, args: [6]uint64{1, 2}}: eperm, {nr: 102, arch: i386, args: [6]uint64{2}}: allow,
				{nr: 117, arch: i386, args: [6]uint64{23}}: eperm, {nr: 117, arch: i386, args: [6]uint64{1<<16 | 23}}: eperm,
				{nr: 117, arch: i386, args: [6]uint64{24}}: allow, {nr: 29, arch: x86_64}: eperm, {nr: 102, arch: x86_64, args: [6]uint64{1}}: allow,
			}},
		"multiplexed calls of 386, allowed": {`{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"], "syscalls": [
				{"names": ["bind"], "action": "SCMP_ACT_ALLOW"},
				{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]}]}`,
			amd64, map[call]uint32{{nr: 102, arch: i386, args: [6]uint64{2}}: allow, {nr: 102, arch: i386, args: [6]uint64{1}}: eperm, {nr: 359, arch: i386}: allow}},
	} {
		code := compile(t, parse(t, c.profile), c.target)
		for in, want := range c.want {
			if got := result(t, code, in); got != want {
				t.Errorf("%s: %+v: %x, want %x", name, in, got, want)
			}
		}
	}
}

// TestTerminalT81 has text put into a terminal by nobody, of whatever architecture.
func TestTerminalT81(t *testing.T) {
	flags, text, err := Terminal(Target{Arch: "amd64"})
	code, err2 := filter.ParseProgram(text)
	if err != nil || err2 != nil || flags != "spec_allow,now" {
		t.Fatal(flags, err, err2)
	}
	for in, want := range map[call]uint32{
		{nr: 16, arch: x86_64, args: [6]uint64{0, unix.TIOCSTI}}:           eperm,
		{nr: 16, arch: x86_64, args: [6]uint64{0, 7<<32 | unix.TIOCSTI}}:   eperm,
		{nr: 16, arch: x86_64, args: [6]uint64{0, unix.TIOCLINUX}}:         eperm,
		{nr: 16, arch: x86_64, args: [6]uint64{0, unix.TIOCGWINSZ}}:        allow,
		{nr: 54, arch: i386, args: [6]uint64{0, unix.TIOCSTI}}:             eperm,
		{nr: x32Bit | 514, arch: x86_64, args: [6]uint64{0, unix.TIOCSTI}}: eperm,
		{nr: 0, arch: x86_64}: allow, {nr: 0, arch: i386}: allow, {nr: x32Bit, arch: x86_64}: allow,
	} {
		if got := result(t, code, in); got != want {
			t.Errorf("%+v: %x, want %x", in, got, want)
		}
	}
	if _, _, err := Terminal(Target{Arch: "arm64"}); err != nil {
		t.Error(err)
	}
}

// TestRandomProfiles compares what programs do with what profiles say.
func TestRandomProfiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	numbers := machine("amd64")[0].everyNumber()
	names := slices.Sorted(maps.Keys(numbers))
	ops := slices.Sorted(maps.Keys(operators))
	acts := slices.Sorted(maps.Keys(actions))
	values := []uint64{0, 1, 2, 8, 255, math.MaxUint32, 1 << 32, 1<<32 | 1, 5<<32 | 8, math.MaxInt64, math.MaxUint64}
	value := func() uint64 { return values[r.IntN(len(values))] }
	for range 300 {
		p := Profile{DefaultAction: acts[r.IntN(len(acts))]}
		for range r.IntN(60) {
			one := rule{Action: acts[r.IntN(len(acts))]}
			for range 1 + r.IntN(12) {
				one.Names = append(one.Names, names[r.IntN(len(names)/8)])
			}
			for range r.IntN(4) {
				one.Args = append(one.Args, argument{uint(r.IntN(6)), value(), value(), ops[r.IntN(len(ops))]})
			}
			p.Syscalls = append(p.Syscalls, one)
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		code := compile(t, parse(t, string(text)), Target{Arch: "amd64"})
		for range 300 {
			name := names[r.IntN(len(names))]
			if r.IntN(4) > 0 {
				name = names[r.IntN(len(names)/8)]
			}
			args := [6]uint64{value(), value(), value(), value(), value(), value()}
			got := result(t, code, call{numbers[name], x86_64, args})
			if want := expected(&p, name, args); got != want {
				t.Fatalf("%s %x: %x, want %x\n%s", name, args, got, want, text)
			}
		}
	}
}

func TestParseRefusesT80(t *testing.T) {
	for text, want := range map[string]string{
		``: "unexpected end", `{`: "unexpected end", `null`: "no defaultAction", `[]`: "cannot unmarshal array", `{} {}`: "something follows",
		`{"defaultaction": 3}`:                                                                  "cannot unmarshal number",
		`{"defaultAction": "ALLOW"}`:                                                            `unknown action "ALLOW"`,
		`{"defaultAction": "SCMP_ACT_NOTIFY"}`:                                                  "needs a supervisor",
		`{"defaultAction": "A", "defaults": []}`:                                                `unknown field "defaults"`,
		`{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}`:                          "there is no error 4096",
		`{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "EWHAT"}`:                          `there is no error "EWHAT"`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["x86"]}`:                         `unknown architecture "x86"`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_PDP11"}]}`: `unknown architecture "SCMP_ARCH_PDP11"`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "archMap": [{"architecture": "SCMP_ARCH_X86"}]}`:                            "both",
		`{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/x"}`:                                                                                      "listenerPath",
		`{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_NEW_LISTENER"]}`:                                                                 "unknown flag",
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_KILL"}]}`:                                                                     "rule 1: it needs names",
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"], "name": "y", "action": "SCMP_ACT_KILL"}]}`:                                        "rule 1: it needs names, or one",
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"], "action": "SCMP_ACT_KILL"}, {"names": ["x"]}]}`:                                   `rule 2: unknown action ""`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"], "action": "SCMP_ACT_KILL", "args": [{"index": 6, "op": "SCMP_CMP_EQ"}]}]}`:        "no argument 6",
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"], "action": "SCMP_ACT_KILL", "args": [{"index": 0, "op": "SCMP_CMP_IN"}]}]}`:        "unknown operator",
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"], "action": "SCMP_ACT_KILL", "args": [{"index": -1, "op": "SCMP_CMP_EQ"}]}]}`:       "cannot unmarshal number -1",
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"], "action": "SCMP_ACT_KILL", "includes": {"caps": ["CAP_MAGIC"]}}]}`:                "cap_magic",
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"], "action": "SCMP_ACT_KILL", "excludes": {"minKernel": "new"}}]}`:                   `minKernel "new" is no version`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"], "action": "SCMP_ACT_KILL", "includes": {"minkernel": "4.8", "kernels": ["x"]}}]}`: "unknown field",
	} {
		p, err := Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) != profileRemedy {
			t.Errorf("%s: %v, %v", text, p, err)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	p := parse(t, `{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]}`)
	if _, _, err := p.Compile(Target{Arch: "riscv64"}); err == nil || hint.Of(err) == "" {
		t.Errorf("another machine: %v", err)
	}
	if flags, _, err := p.Compile(Target{Arch: "amd64"}); flags != "log,spec_allow" || err != nil {
		t.Errorf("flags %q, %v", flags, err)
	}
	long := rule{Action: "SCMP_ACT_KILL", Args: []argument{{Op: "SCMP_CMP_EQ"}}}
	for name := range machine("amd64")[0].everyNumber() {
		long.Names = append(long.Names, name)
	}
	for range 3 {
		p.Syscalls = append(p.Syscalls, long)
	}
	p.Syscalls[1].Args, p.Syscalls[2].Args = []argument{{Op: "SCMP_CMP_EQ", Value: 1}}, []argument{{Op: "SCMP_CMP_EQ", Value: 2}}
	// Every other call is in these.
	for i := range p.Syscalls {
		slices.Sort(p.Syscalls[i].Names)
		p.Syscalls[i].Names = p.Syscalls[i].Names[:len(p.Syscalls[i].Names)/(i+1)]
	}
	p.Architectures = []string{"SCMP_ARCH_X86", "SCMP_ARCH_X32"}
	for v := range 60 {
		p.Syscalls = append(p.Syscalls, rule{Action: "SCMP_ACT_KILL", Names: long.Names[v : v+99], Args: []argument{{Op: opMasked, Value: uint64(v)}}})
	}
	if _, _, err := p.Compile(Target{Arch: "amd64"}); err == nil || !strings.Contains(err.Error(), "instructions") {
		t.Errorf("a huge profile: %v", err)
	}
}

func TestAtLeast(t *testing.T) {
	for _, c := range []struct {
		release, least string
		want           bool
	}{
		{"6.18.44-x", "6.18", true}, {"6.9.1", "6.18", false}, {"4.18.0-553.el8", "4.8", true}, {"5", "4.8", false}, {"10.0", "9.99", true}, {"", "4.8", false},
	} {
		if got := atLeast(c.release, c.least); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// FuzzParse compiles whatever is accepted, for each machine.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"], "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_GT"}]}]}`))
	f.Add([]byte(`{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X32"]}], "syscalls": [{"name": "socket", "action": "SCMP_ACT_KILL", "excludes": {"minKernel": "5.1"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		for _, goarch := range []string{"amd64", "arm64"} {
			_, program, err := p.Compile(Target{Arch: goarch, Kernel: "6.1", Caps: 7})
			if err != nil {
				continue
			}
			code, err := filter.ParseProgram(program)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []call{{arch: x86_64}, {nr: 7, arch: i386}, {nr: x32Bit | 3, arch: x86_64}, {nr: 63, arch: unix.AUDIT_ARCH_AARCH64}, {nr: 9, arch: 9}} {
				result(t, code, c)
			}
		}
	})
}
