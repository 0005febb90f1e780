package failure

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/starter/plan"
)

func TestDescribe(t *testing.T) {
	for want, op := range map[string]plan.Op{
		"mount the session directory on /tmp/s":         plan.Do(plan.Session, "/tmp/s", ""),
		"mount the image on /":                          plan.Do(plan.Fuse, "@root", ""),
		"mount proc on /proc":                           plan.Do(plan.Mount, "proc", "/proc", "", ""),
		"bind /scratch on /data":                        plan.Do(plan.Bind, "/scratch", "/data", ""),
		"mount overlay on /":                            plan.Do(plan.Overlay, "@root", "/a", "", "", ""),
		"make directory upper of the session directory": plan.Do(plan.Mkdir, "@upper", "755"),
		"make file /f":                                  plan.Do(plan.Mkfile, "/f", "644"),
		"write /etc/passwd":                             plan.Do(plan.Write, "/etc/passwd", "644", "secret"),
		"make link /l":                                  plan.Do(plan.Symlink, "/l", "x"),
		"unmount /m":                                    plan.Do(plan.Umount, "/m"),
		"set the host name h":                           plan.Do(plan.Hostname, "h"),
		"enter the container's root directory":          plan.Do(plan.Pivot),
		"drop capabilities":                             plan.Do(plan.Dropcaps, "all"),
		"add the capabilities net_raw":                  plan.Do(plan.Raisecaps, "net_raw"),
		"set up the loopback interface":                 plan.Do(plan.Network),
		"run under apparmor p":                          plan.Do(plan.Label, "apparmor", "p"),
		"prepare the seccomp filter":                    plan.Do(plan.Seccomp, "", "00"),
		"frobnicate x":                                  plan.Do("frobnicate", "x"),
	} {
		if got := describe(op); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestRemedies reaches every line of the table the way errors do.
func TestRemedies(t *testing.T) {
	args := map[plan.Verb][]string{
		plan.Session: {"/s", ""}, plan.Fuse: {"@root", ""}, plan.Mount: {"", "/m", "", ""},
		plan.Label: {"apparmor", "p"}, plan.Raisecaps: {"net_raw"},
		plan.Bind: {"/a", "/b", ""}, plan.Overlay: {"/", "/l", "", "", ""},
	}
	for _, r := range remedies() {
		var err error
		switch r.verb {
		case verbClone, verbCloneUser:
			err = Clone(plan.Clone{User: r.verb == verbCloneUser}, "/starter", r.errno)
		case verbCloneRoot:
			err = Clone(plan.Clone{User: true, UIDs: []plan.IDMap{{Size: 1}}}, "/starter", r.errno)
		default:
			op := plan.Op{Verb: r.verb, Args: append([]string{}, args[r.verb]...)}
			if r.first != "" {
				op.Args[0] = r.first
			}
			p := &plan.Plan{Ops: []plan.Op{plan.Do(plan.Pivot), op}}
			err = Explain(p, plan.Report{Stage: r.stage, Index: 1, Errno: int(r.errno)})
		}
		if got := hint.Of(err); got != r.text {
			t.Errorf("%s %s %v: hint %q, want %q", r.stage, r.verb, r.errno, got, r.text)
		}
		if !errors.Is(err, r.errno) || !strings.HasSuffix(err.Error(), r.errno.Error()) {
			t.Errorf("%s %s: the cause is not in %q", r.verb, r.errno, err)
		}
	}
}

func TestUserNamespaceHintNamesItsSwitches(t *testing.T) {
	h := hint.Of(Clone(plan.Clone{User: true}, "/starter", syscall.EPERM))
	for _, name := range []string{"max_user_namespaces", "unprivileged_userns_clone", "apparmor_restrict_unprivileged_userns"} {
		if !strings.Contains(h, name) {
			t.Errorf("%q does not name %s", h, name)
		}
	}
}

func TestExplainStages(t *testing.T) {
	p := &plan.Plan{Process: plan.Process{
		Args: []string{"cmd"}, Dirs: []string{"/w"}, Mounters: []plan.Mounter{{Target: "/m", Args: []string{"fs"}}},
	}}
	for _, c := range []struct {
		report plan.Report
		code   int
		text   string
		hint   string
	}{
		{plan.Report{Stage: plan.StagePlan, Index: -1, Errno: 22}, 125, "the starter does not accept the plan: invalid argument", ""},
		{plan.Report{Stage: plan.StageDir, Index: -1, Errno: 13}, 125, "enter the working directory /w: permission denied", "--pwd"},
		{plan.Report{Stage: plan.StageFind, Index: -1, Errno: 2}, 127, "cmd: executable file not found in $PATH: no such file or directory", "PATH inside"},
		{plan.Report{Stage: plan.StageFind, Index: -1, Errno: 13}, 126, "cmd: permission denied", "execute permission"},
		{plan.Report{Stage: plan.StageExec, Index: -1, Errno: 2}, 127, "execute cmd: its interpreter: no such file or directory", "first line"},
		{plan.Report{Stage: plan.StageExec, Index: -1, Errno: 8}, 126, "execute cmd: exec format error", "architecture"},
		{plan.Report{Stage: plan.StageExec, Index: -1, Errno: 7}, 126, "execute cmd: argument list too long", "shorten"},
		{plan.Report{Stage: plan.StageExec, Index: -1, Errno: 13}, 126, "execute cmd: permission denied", "noexec"},
		{plan.Report{Stage: plan.StageExec, Index: -1, Errno: 11}, 126, "execute cmd: resource temporarily unavailable", "ulimit -u"},
		{plan.Report{Stage: plan.StageOp, Index: -1, Errno: 1}, 125, "the starter's report names no operation: operation not permitted", ""},
		{plan.Report{Stage: plan.StageMounter, Index: 0, Errno: 2}, 125, "mount on /m: start fs in the container: no such file or directory", "type host"},
		{plan.Report{Stage: plan.StageMounter, Index: 1, Errno: 2}, 125, "the starter's report names no mounter: no such file or directory", ""},
		{plan.Report{Stage: "lunch", Index: -1, Errno: 1}, 125, `the starter reports an unknown stage "lunch": operation not permitted`, ""},
	} {
		err := Of(Explain(p, c.report))
		f, ok := errors.AsType[*Failure](err)
		if !ok || f.ExitCode() != c.code || err.Error() != c.text || !strings.Contains(hint.Of(err), c.hint) {
			t.Errorf("%+v: %q, hint %q", c.report, err, hint.Of(err))
		}
		if !errors.Is(err, syscall.Errno(c.report.Errno)) {
			t.Errorf("%+v: the cause is lost", c.report)
		}
	}
}
