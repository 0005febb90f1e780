package actions

import (
	"os"
	"slices"
	"testing"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/spec"
)

func TestFlagValues(t *testing.T) {
	for _, c := range []struct {
		args, environ []string
		ok            func(r *spec.Request) bool
	}{
		{[]string{"--env", `A=b,C="d"`, "--env", "E=1\n2"}, nil, func(r *spec.Request) bool {
			return slices.Equal(r.Env, []string{`A=b,C="d"`, "E=1\n2"})
		}},
		{nil, nil, func(r *spec.Request) bool { return !r.NoPID }},
		{[]string{"--pid"}, nil, func(r *spec.Request) bool { return !r.NoPID }},
		{[]string{"--pid=false"}, nil, func(r *spec.Request) bool { return r.NoPID }},
		{[]string{"--no-pid"}, nil, func(r *spec.Request) bool { return r.NoPID }},
		{nil, []string{"APPTAINER_NO_PID=1"}, func(r *spec.Request) bool { return r.NoPID }},
		{[]string{"--no-mount", "sys"}, []string{"SEALIFT_NO_MOUNT=tmp,home"}, func(r *spec.Request) bool {
			return slices.Equal(r.NoMount, []string{"sys"})
		}},
		{nil, []string{"SINGULARITY_SCRATCHDIR=/a,/b"}, func(r *spec.Request) bool {
			return slices.Equal(r.Scratch, []string{"/a", "/b"})
		}},
		{[]string{"--bind", "/c,/d"}, []string{"SEALIFT_BIND=/a,/b"}, func(r *spec.Request) bool {
			return slices.Equal(r.Binds, []string{"/a,/b", "/c,/d"})
		}},
		{[]string{"-n", "--network", "none", "--network-args", "portmap=1:2,portmap=3:4"}, []string{"SEALIFT_DNS=1.1.1.1,::1", "APPTAINER_NETWORK=pasta"}, func(r *spec.Request) bool {
			return r.Net && r.Network == "none" && slices.Equal(r.NetworkArgs, []string{"portmap=1:2", "portmap=3:4"}) && slices.Equal(r.DNS, []string{"1.1.1.1", "::1"})
		}},
		{[]string{"--security", "uid:1,gid:2:3"}, []string{"SINGULARITY_SECURITY=selinux:a:s0:c1,c2", "SEALIFT_ADD_CAPS=all", "SEALIFT_UNSHARE_NET=t", "SEALIFT_UNSHARE_PID=0"}, func(r *spec.Request) bool {
			return slices.Equal(r.Security, []string{"uid:1,gid:2:3"}) && r.AddCaps == "all" && r.Net && r.NoPID
		}},
		{nil, []string{"SINGULARITY_SECURITY=selinux:a:s0:c1,c2"}, func(r *spec.Request) bool {
			return slices.Equal(r.Security, []string{"selinux:a:s0:c1,c2"})
		}},
		{[]string{"--keep-privs", "--no-privs", "--allow-setuid", "--drop-caps", "all", "--netns-path", "/x"}, nil, func(r *spec.Request) bool {
			return r.KeepPrivs && r.NoPrivs && r.AllowSetuid && r.DropCaps == "all" && r.NetnsPath == "/x"
		}},
		{[]string{"--pwd", "/a", "--env-file", "x,y"}, nil, func(r *spec.Request) bool {
			return r.Pwd == "/a" && slices.Equal(r.EnvFiles, []string{"x", "y"})
		}},
	} {
		p := &ui.Process{Environ: c.environ}
		var r spec.Request
		flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
		mountFlags(flags, &r)
		environmentFlags(flags, &r)
		isolationFlags(flags, &r)
		networkFlags(flags, &r)
		securityFlags(flags, &r)
		if err := flags.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		if err := p.FromEnvironment(flags); err != nil || !c.ok(&r) {
			t.Errorf("%q, %q: %v, %+v", c.args, c.environ, err, r)
		}
	}
}

func TestArrives(t *testing.T) {
	signals := make(chan os.Signal, 1)
	if arrives(signals) {
		t.Error("a signal that nobody sent")
	}
	signals <- os.Interrupt
	if !arrives(signals) {
		t.Error("a signal is lost")
	}
}

func TestImageCache(t *testing.T) {
	given, none := actionFlags{imageCache: 64 << 20}, actionFlags{}
	if got := given.imageOptions(1 << 20).CacheBytes; got != 64<<20 {
		t.Errorf("given 64 MiB: %d bytes", got)
	}
	small, free := none.imageOptions(64<<20).CacheBytes, none.imageOptions(0).CacheBytes
	if small <= 0 || small >= free {
		t.Errorf("%d bytes with a limit, %d without", small, free)
	}
}
