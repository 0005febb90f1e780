package plan

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// full returns a plan that uses everything.
func full() *Plan {
	return &Plan{
		Clone: Clone{
			User: true, Mount: true, PID: true, UTS: true, IPC: true, Net: true,
			UIDs: []IDMap{{Inside: 0, Outside: 1000, Size: 1}, {Inside: 1, Outside: 100000, Size: 65536}},
			GIDs: []IDMap{{Inside: 5, Outside: math.MaxUint32, Size: 7}},
			Caps: "net_admin,net_raw",
		},
		Helper: []string{"/usr/bin/pasta", "--pid", "/proc/self/fd/@ready", "", "@pid"},
		Image:  []Op{Do(Mkdir, "/data", "755"), Do(Symlink, "/l", "data"), Do(Mkfile, "/f", "644"), Do(Write, "/w", "600", "")},
		Ops: []Op{
			Do(Session, "/tmp/s", "mode=0700"), Do(Fuse, "@root", "allow_other"), Do(Fuse, "/m", "rw,keep"),
			Do(Mount, "proc", "/proc", "nosuid,nodev", ""), Do(Bind, "/scratch dir", "/data", "ro,try"),
			Do(Overlay, "@root", "@skel:/low", "@upper", "@work", ""), Do(Mkdir, "@upper", "755"),
			Do(Mkfile, "/f", "644"), Do(Write, "/etc/passwd", "644", "root:x\nme:x\n"),
			Do(Symlink, "/a", "../b"), Do(Umount, "/m"), Do(Hostname, "box"), Do(Pivot), Do(Emulate, "full", "/root dir"),
			Do(Network), Do(Label, "apparmor", "my profile"), Do(Dropcaps, ""), Do(Limitcaps, "all"), Do(Raisecaps, "net_raw"),
		},
		Process: Process{
			Init: true, Stay: true, Args: []string{"sh", "-c", "echo 'a' \"$1\"", "", "é\xff"}, Env: []string{"PATH=/bin", "X=a b\tc", "Y="},
			Mounters: []Mounter{{"/m", []string{"fs", "", "-o x"}}},
			User:     &User{1000, 100, []uint32{100, math.MaxUint32}},
			Dirs:     []string{"/work", "/"}, Umask: 0o022, CloseFDs: true, KeepFDs: []int{3, 17},
		},
	}
}

// filtered returns a plan with what excludes other things of full.
func filtered() *Plan {
	p := least()
	p.Clone.NetPath = "/run/netns/a b"
	p.Ops = []Op{Do(Seccomp, "log", "0006000000007fff")}
	return p
}

// least returns the smallest plan there is.
func least() *Plan { return &Plan{Process: Process{Args: []string{"true"}, Umask: -1}} }

func TestRoundTrip(t *testing.T) {
	idle := &Plan{Process: Process{Init: true, Stay: true, Umask: -1}}
	for _, p := range []*Plan{full(), filtered(), least(), idle} {
		data, err := Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, p) {
			t.Errorf("got\n%v\nwant\n%v", got, p)
		}
	}
}

func TestString(t *testing.T) {
	want := `clone user mount pid uts ipc net
uidmap 0 1000 1
uidmap 1 100000 65536
gidmap 5 4294967295 7
caps net_admin,net_raw
helper /usr/bin/pasta --pid /proc/self/fd/@ready "" @pid
image mkdir /data 755
image symlink /l data
image mkfile /f 644
image write /w 600 ""
session /tmp/s mode=0700
fuse @root allow_other
fuse /m rw,keep
mount proc /proc nosuid,nodev ""
bind "/scratch dir" /data ro,try
overlay @root @skel:/low @upper @work ""
mkdir @upper 755
mkfile /f 644
write /etc/passwd 644 "root:x\nme:x\n"
symlink /a ../b
umount /m
sethostname box
pivot
emulate full "/root dir"
network
label apparmor "my profile"
dropcaps ""
limitcaps all
raisecaps net_raw
init
stay
user 1000 100 100 4294967295
mounter /m fs "" "-o x"
umask 22
closefds 3 17
env PATH=/bin
env "X=a b\tc"
env Y=
cwd /work /
exec sh -c "echo 'a' \"$1\"" "" "é\xff"
`
	if got := full().String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := least().String(); got != "clone\nexec true\n" {
		t.Errorf("got %q", got)
	}
	if got := filtered().String(); got != "clone\nnetns \"/run/netns/a b\"\nseccomp log 0006000000007fff\nexec true\n" {
		t.Errorf("got %q", got)
	}
}

// TestStringOmitsTerminalControl prints a plan with what hostile images name.
func TestStringOmitsTerminalControl(t *testing.T) {
	p := least()
	p.Ops = []Op{Do(Mkdir, "/\x1b]0;owned\a\u202e", "755")}
	if got := p.String(); strings.ContainsAny(got, "\x1b\a\u202e") {
		t.Errorf("%q", got)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, change := range map[string]func(*Plan){
		"NUL in an operation":          func(p *Plan) { p.Ops = []Op{Do(Hostname, "a\x00b")} },
		"NUL in the command":           func(p *Plan) { p.Process.Args[0] = "\x00" },
		"NUL in a variable":            func(p *Plan) { p.Process.Env = []string{"A=\x00"} },
		"unknown verb":                 func(p *Plan) { p.Ops = []Op{Do("format", "/dev/sda")} },
		"no verb":                      func(p *Plan) { p.Ops = []Op{{}} },
		"too few arguments":            func(p *Plan) { p.Ops = []Op{Do(Bind, "/a", "/b")} },
		"too many arguments":           func(p *Plan) { p.Ops = []Op{Do(Pivot, "/a")} },
		"image operation":              func(p *Plan) { p.Image = []Op{Do(Bind, "/a", "/b", "")} },
		"image arguments":              func(p *Plan) { p.Image = []Op{Do(Mkdir, "/a")} },
		"no command":                   func(p *Plan) { p.Process.Args = nil },
		"empty command":                func(p *Plan) { p.Process.Args = []string{""} },
		"two networks":                 func(p *Plan) { p.Clone.Net, p.Clone.NetPath = true, "/run/netns/x" },
		"helper of nothing":            func(p *Plan) { p.Helper = []string{"/usr/bin/pasta"} },
		"a mounter without descriptor": func(p *Plan) { p.Process.Init, p.Process.Mounters = true, []Mounter{{"/m", []string{"fs"}}} },
		"a descriptor without mounter": func(p *Plan) { p.Ops = []Op{Do(Fuse, "/m", "keep")} },
		"a mounter without init": func(p *Plan) {
			p.Ops, p.Process.Mounters = []Op{Do(Fuse, "/m", "keep")}, []Mounter{{"/m", []string{"fs"}}}
		},
		"a mounter and a filter": func(p *Plan) {
			p.Process.Init, p.Process.Mounters = true, []Mounter{{"/m", []string{"fs"}}}
			p.Ops = []Op{Do(Fuse, "/m", "keep"), Do(Seccomp, "", "0006000000007fff")}
		},
		"emulation, no init": func(p *Plan) { p.Ops = []Op{Do(Emulate, "full", "")} },
		"emulation, filter": func(p *Plan) {
			p.Process.Init, p.Ops = true, []Op{Do(Emulate, "full", ""), Do(Seccomp, "", "")}
		},
		"umask":               func(p *Plan) { p.Process.Umask = 0o1000 },
		"negative umask":      func(p *Plan) { p.Process.Umask = -2 },
		"negative descriptor": func(p *Plan) { p.Process.CloseFDs, p.Process.KeepFDs = true, []int{-1} },
		"pointless keeping":   func(p *Plan) { p.Process.KeepFDs = []int{3} },
	} {
		p := least()
		change(p)
		if data, err := Encode(p); err == nil {
			t.Errorf("%s: %q", name, data)
		}
	}
}

// fields joins fields as on the wire.
func fields(f ...string) string { return strings.Join(f, "\x00") + "\x00" }

func TestParseRefuses(t *testing.T) {
	const head, tail = "sealift-plan\x001\x001\x00clone\x000\x00", "exec\x001\x00x\x00end\x000\x00"
	if _, err := Parse([]byte(head + tail)); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]string{
		"nothing":            "",
		"another version":    strings.Replace(head, "\x001\x00c", "\x002\x00c", 1) + tail,
		"no end":             head + fields("exec", "1", "x"),
		"after the end":      head + tail + "x",
		"no clone":           fields("sealift-plan", "1", "1") + tail,
		"two clones":         head + fields("clone", "0") + tail,
		"clone at the end":   head + fields("exec", "1", "x", "clone", "0", "end", "0"),
		"unknown namespace":  fields("sealift-plan", "1", "1", "clone", "1", "time") + tail,
		"namespace twice":    fields("sealift-plan", "1", "1", "clone", "2", "pid", "pid") + tail,
		"unknown word":       head + fields("format", "1", "x") + tail,
		"huge count":         head + fields("mkdir", "9223372036854775807", "x") + tail,
		"count beyond data":  head + fields("cwd", "60", "x") + tail,
		"negative count":     head + fields("pivot", "-1") + tail,
		"odd count":          head + fields("pivot", "+0") + tail,
		"no count":           head + "pivot",
		"wrong arity":        head + fields("bind", "1", "x") + tail,
		"image alone":        head + fields("image", "0") + tail,
		"image verb":         head + fields("image", "2", "pivot", "x") + tail,
		"map of words":       head + fields("uidmap", "3", "a", "b", "c") + tail,
		"map too short":      head + fields("gidmap", "2", "1", "2") + tail,
		"map overflow":       head + fields("gidmap", "3", "1", "2", "4294967296") + tail,
		"umask":              head + fields("umask", "1", "999") + tail,
		"umask too big":      head + fields("umask", "1", "1000") + tail,
		"user of words":      head + fields("init", "0", "user", "2", "root", "0") + tail,
		"user without group": head + fields("init", "0", "user", "1", "0") + tail,
		"netns empty":        head + fields("netns", "0") + tail,
		"netns of two":       head + fields("netns", "2", "/a", "/b") + tail,
		"caps empty":         head + fields("caps", "1", "") + tail,
		"helper empty":       head + fields("helper", "0") + tail,
		"umask padded":       head + fields("umask", "1", "022") + tail,
		"descriptors":        head + fields("closefds", "1", "three") + tail,
		"env of two":         head + fields("env", "2", "A=1", "B=2") + tail,
		"empty cwd":          head + fields("cwd", "0") + tail,
		"init argument":      head + fields("init", "1", "x") + tail,
		"init twice":         head + fields("init", "0", "init", "0") + tail,
		"two commands":       head + fields("exec", "1", "x", "exec", "1", "y") + "end\x000\x00",
		"no command":         head + fields("exec", "0", "end", "0"),
	} {
		if p, err := Parse([]byte(in)); err == nil {
			t.Errorf("%s: accepted as\n%v", name, p)
		} else if !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestParseRefusesCuts parses every proper prefix of a plan.
func TestParseRefusesCuts(t *testing.T) {
	data, err := Encode(full())
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		if _, err := Parse(data[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes are accepted", n, len(data))
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range []*Plan{full(), filtered(), least()} {
		data, err := Encode(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			return
		}
		again, err := Encode(p)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%q became %q, %v", data, again, err)
		}
		if p.String() == "" {
			t.Fatal("nothing printed")
		}
	})
}

func TestDirs(t *testing.T) {
	for _, dirs := range [][]string{nil, {"/a"}, {"/a", "@b", "/c"}, {`/a:b\`, `\:`, "/c,d"}} {
		if got := SplitDirs(JoinDirs(dirs...)); !slices.Equal(got, dirs) {
			t.Errorf("%q became %q", dirs, got)
		}
	}
	if got := SplitDirs(`/a\`); !slices.Equal(got, []string{`/a\`}) {
		t.Errorf("a backslash at the end: %q", got)
	}
}

func TestReport(t *testing.T) {
	for _, r := range []Report{{StageOp, 3, 13}, {StageFind, -1, 2}, {StageFuse, 0, 0}} {
		if got, err := ParseReport(r.Encode()); err != nil || got != r {
			t.Errorf("%+v became %+v, %v", r, got, err)
		}
	}
	for _, msg := range []string{"", "op", "op 1", "op 1 2 3", "op x 1", "op 1 x", "op -2 1", "op 1 -1"} {
		if r, err := ParseReport([]byte(msg)); err == nil {
			t.Errorf("%q: %+v", msg, r)
		}
	}
}

func TestLate(t *testing.T) {
	for flags, want := range map[string]bool{"": true, "log": true, "now": false, "spec_allow,now": false} {
		p := least()
		p.Ops = []Op{Do(Pivot), Do(Seccomp, flags, "")}
		if got := p.Late(); got != want {
			t.Errorf("%q: %v", flags, got)
		}
	}
	if least().Late() {
		t.Error("a filter that is none")
	}
}

func TestParseCaps(t *testing.T) {
	for list, want := range map[string]uint64{
		"": 0, "chown": 1, "CAP_KILL,cap_sys_admin": 1<<5 | 1<<21, "all": math.MaxUint64,
		"checkpoint_restore": 1 << 40, "SETPCAP,,": 1 << 8, "audit_read": 1 << 37,
	} {
		if got, err := ParseCaps(list); got != want || err != nil {
			t.Errorf("%q: %x, %v", list, got, err)
		}
	}
	for _, list := range []string{"", "chown", "kill,sys_admin,checkpoint_restore", "all"} {
		set, err := ParseCaps(list)
		if got := FormatCaps(set); got != list || err != nil {
			t.Errorf("%q became %q, %v", list, got, err)
		}
	}
	for _, list := range []string{"cap_", "root", "chown kill", "all,chown"} {
		if got, err := ParseCaps(list); err == nil {
			t.Errorf("%q: %x", list, got)
		}
	}
}
