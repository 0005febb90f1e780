package spec

import (
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sealift/sealift/runtime/layout"
)

// explainCase explains the container of a command line on the machine and the image
// of the golden plans, with changes.
func explainCase(t *testing.T, facts, img, command string) *Explanation {
	t.Helper()
	base, err := txtar.ParseFile("testdata/base.txt")
	if err != nil {
		t.Fatal(err)
	}
	f, i := parseFacts(t, section(base, "facts")+facts), parseImage(t, section(base, "image")+img)
	c, err := computeCase(t, parseCommand(t, command), f, i, "dir sub\n")
	if err != nil {
		t.Fatal(err)
	}
	return c.Explain()
}

// TestExplainMounts: every mount has a rule, and is told with the right one.
func TestExplainMounts(t *testing.T) {
	for _, c := range []struct {
		command, facts, img string
		want                []Mount
		left                []layout.LeftOut
	}{
		{"exec true", "", "", []Mount{
			{"/", "fuse", "/home/alice/work/img.sif", "ro,nosuid,nodev", "the image"},
			{"/etc/passwd", "file", "", "", "the caller's account"},
			{"/proc", "proc", "", "nosuid,nodev,noexec", "the default: the container's own processes"},
			{"/tmp", "bind", "/tmp", "nosuid,nodev", "the default: the host's"},
			{"/home/alice", "bind", "/home/alice", "nosuid,nodev", "the default: the caller's home directory"},
		}, nil},
		{"exec --no-mount tmp --no-mount sys --bind /data:/etc true", "", "", []Mount{{"/etc", "bind", "/data", "nosuid,nodev", "--bind or --mount"}},
			[]layout.LeftOut{{Target: "/sys", Why: "--no-mount sys"}, {Target: "/etc/hosts", Why: "what is bound on /etc covers it"}}},
		{"exec --contain --scratch /s true", "", "", []Mount{
			{"/tmp", "tmpfs", "", "nosuid,nodev,mode=1777", "--contain: an empty one"},
			{"/s", "tmpfs", "", "nosuid,nodev,mode=0700", "--scratch"},
			{"/dev/null", "bind", "/dev/null", "nosuid,noexec", "--contain: a minimal /dev"},
		}, []layout.LeftOut{{Target: "/home/alice/work", Why: "--contain"}}},
		{"exec --no-home --no-pid true", "", "", []Mount{{"/proc", "bind", "/proc", "nosuid,nodev,noexec", "--no-pid: the host's processes"}},
			[]layout.LeftOut{{Target: "/home/alice", Why: "--no-home"}}},
		{"exec --home /data true", "", "", []Mount{{"/data", "bind", "/data", "nosuid,nodev", "--home"}}, nil},
		{"exec true", "cwd /scratch\n", "", []Mount{{"/scratch", "bind", "/scratch", "nosuid,nodev", "the default: the working directory"}}, nil},
		{"exec true", "procmasked yes\n", "sandbox box\n", []Mount{
			{"/", "overlay", "/home/alice/work/box", "nosuid,nodev", "the image"},
			{"/proc", "bind", "/proc", "nosuid,nodev,noexec", "the host's processes, as /proc is masked here"},
		}, nil},
		{"exec --writable-tmpfs --containlibs /data/x.so true", "file data/x.so\n", "", []Mount{
			{"/", "overlay", "/home/alice/work/img.sif", "nosuid,nodev", "the image, --writable-tmpfs"},
			{"/.singularity.d/libs/x.so", "bind", "/data/x.so", "ro,nosuid,nodev", "--containlibs"},
		}, nil},
		{"exec --overlay /data/dir:ro --bind /data/x.sqfs:/mnt:image-src=/sub true", "dir data/dir\nfile data/x.sqfs\n", "", []Mount{
			{"/", "overlay", "/home/alice/work/img.sif", "nosuid,nodev", "the image, --overlay"},
			{"/mnt", "bind", "/data/x.sqfs:/sub", "ro,nosuid,nodev", "--bind or --mount"},
		}, nil},
		{"exec --contain --workdir /data --scratch /s true", "", "", []Mount{
			{"/tmp", "bind", "/data/tmp", "nosuid,nodev", "--contain: an empty one"}, {"/s", "bind", "/data/scratch/s", "nosuid,nodev", "--scratch"},
			{"/dev/shm", "tmpfs", "", "nosuid,nodev,mode=1777", "--contain: an empty one"},
			{"/dev/pts", "devpts", "", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620", "--contain: a minimal /dev"},
		}, nil},
		{"exec --contain true", "env OMPI_COMM_WORLD_LOCAL_SIZE=2\n", "", []Mount{{"/dev/shm", "bind", "/dev/shm", "nosuid,nodev", "several tasks of a job are on this node"}}, nil},
		{"exec --hostname h --net --network none --dns 192.0.2.9 true", "", "", []Mount{
			{"/etc/hosts", "file", "", "", "--net, --dns or --hostname"}, {"/etc/localtime", "bind", "/etc/localtime", "nosuid,nodev", "the default: names and time of the host"},
		}, nil},
		{"exec --compat true", "", "", []Mount{{"/", "overlay", "/home/alice/work/img.sif", "nosuid,nodev", "the image, --compat"}}, nil},
	} {
		x := explainCase(t, c.facts, c.img, c.command)
		for _, want := range c.want {
			if !slices.Contains(x.Mounts, want) {
				t.Errorf("%s: no %+v in\n%+v", c.command, want, x.Mounts)
			}
		}
		for _, want := range c.left {
			if !slices.Contains(x.Left, want) {
				t.Errorf("%s: no %+v in\n%+v", c.command, want, x.Left)
			}
		}
		for _, m := range x.Mounts {
			if m.Why == "" || strings.Contains(m.Target+m.Source, "@") {
				t.Errorf("%s: %+v", c.command, m)
			}
		}
	}
}

func TestExplainVariables(t *testing.T) {
	x := explainCase(t, "env FOO=host\nenv BAR=host\n", `file .singularity.d/env/90-environment.sh "export FOO=image\n"`+"\n", "exec --no-env B* true")
	var got []string
	for _, v := range x.Variables {
		got = append(got, v.Name+"="+v.Value+" ("+v.Origin+")")
	}
	if x.Unknown != nil || !slices.Contains(got, "FOO=image (/.singularity.d/env/90-environment.sh)") || !slices.Contains(got, "LANG=en_US.UTF-8 (the caller)") {
		t.Errorf("%v, %q", x.Unknown, got)
	}
	if !slices.Contains(x.Outside, Outside{"BAR", "--no-env B*"}) {
		t.Errorf("outside %v", x.Outside)
	}
	x = explainCase(t, "", `file .singularity.d/env/90-environment.sh "export FOO=$(id)\n"`+"\n", "exec true")
	if x.Unknown == nil || !strings.Contains(x.Unknown.Error(), "90-environment.sh: line 1") || len(x.Variables) == 0 {
		t.Errorf("%v, %v", x.Unknown, x.Variables)
	}
}

func TestExplainIDs(t *testing.T) {
	for _, c := range []struct {
		command, facts string
		want           []Fact
	}{
		{"exec true", "", []Fact{
			{"user", "1000", "the caller's"}, {"user id map", "1000 is 1000 outside", "the caller's id alone"},
			{"home directory", "/home/alice", "the caller's account"}, {"user namespace", "its own", "an ordinary user may mount in one only"},
			{"process namespace", "its own", "the default"}, {"IPC namespace", "the caller's", "the default"}, {"capabilities", "none", "only root has any"},
			{"umask", "0022", "the caller's"},
		}},
		{"exec --fakeroot --userns --no-pid --ipc --uts --no-umask --home /data:/x true", "subids 100000 65536\n", []Fact{
			{"user", "0", "--fakeroot"}, {"user id map", "1 to 65536 are 100000 to 165535 outside", "--fakeroot, and ranges of ids in /etc/subuid and /etc/subgid"},
			{"home directory", "/x", "--home"}, {"user namespace", "its own", "--userns"}, {"process namespace", "the caller's", "--no-pid"},
			{"IPC namespace", "its own", "--ipc"}, {"host name namespace", "its own", "--uts"}, {"umask", "0022", "--no-umask"},
			{"capabilities", "all", "root has them; over what the user namespace owns"},
		}},
		{"exec --containall --hostname h --pwd /tmp true", "", []Fact{
			{"IPC namespace", "its own", "--containall"}, {"host name namespace", "its own", "--hostname"}, {"working directory", "/tmp", "--cwd"},
		}},
		{"exec --network none --security uid:99,gid:98 --add-caps net_raw true", "", []Fact{
			{"user", "99", "--security uid or gid"}, {"group", "98", "--security uid or gid"}, {"user id map", "99 is 1000 outside", "the caller's id alone"},
			{"network namespace", "its own", "--net or --network"}, {"capabilities", "net_raw", "only root has any, but for --add-caps; over what the user namespace owns"},
		}},
		{"exec --fakeroot --no-privs true", "", []Fact{{"capabilities", "none", "--no-privs"}}},
		{"exec --drop-caps net_raw,sys_admin --allow-setuid true", "uid 0\ngid 0\nadmin yes\nuser root root /root /bin/sh\n", []Fact{
			{"new privileges", "of set-user-ID programs", "--allow-setuid"},
		}},
		{"exec --contain true", "", []Fact{{"working directory", "/home/alice", "--contain: the home directory"}}},
		{"exec true", "uid 0\ngid 0\nadmin yes\nuser root root /root /bin/sh\n", []Fact{
			{"user namespace", "the caller's", "root needs none"}, {"home directory", "/root", "root's"}, {"capabilities", "all", "root has them"},
		}},
	} {
		x := explainCase(t, c.facts, "", c.command)
		for _, want := range c.want {
			if !slices.Contains(x.IDs, want) {
				t.Errorf("%s: no %+v in\n%+v", c.command, want, x.IDs)
			}
		}
		for _, f := range x.IDs {
			if f.Why == "" || f.Value == "" {
				t.Errorf("%s: %+v", c.command, f)
			}
		}
	}
}
