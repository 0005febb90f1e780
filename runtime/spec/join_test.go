package spec

import (
	"encoding/json"
	"io/fs"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/identity"
	"github.com/sealift/sealift/starter/plan"
)

// instance plans an instance of the golden plans' image, with changes.
func instance(t *testing.T, img string, r Request) (*Container, *host.Facts, image.Info) {
	t.Helper()
	base, err := txtar.ParseFile("testdata/base.txt")
	if err != nil {
		t.Fatal(err)
	}
	f, i := parseFacts(t, section(base, "facts")+"env SLURM_JOB_ID=7\n"), parseImage(t, section(base, "image")+img)
	r.Instance = "db"
	c, err := Compute(r, f, i)
	if err != nil {
		t.Fatal(err)
	}
	return c, f, i
}

// kept is what a joiner finds of a container: what has been through JSON.
func kept(t *testing.T, c *Container) (j Joinable) {
	t.Helper()
	text, err := json.Marshal(c.Joinable)
	if err == nil {
		err = json.Unmarshal(text, &j)
	}
	if err != nil || !reflect.DeepEqual(j, c.Joinable) {
		t.Fatalf("%s: %v", text, err)
	}
	return j
}

const startscript = "dir .singularity.d\ndir .singularity.d/env\nfile .singularity.d/env/90-environment.sh \"export FROM=image\\n\"\nfile .singularity.d/startscript \"#!/bin/sh\\n\" 0755\n"

func TestInstance(t *testing.T) {
	for _, c := range []struct {
		name, img string
		r         Request
		want      plan.Process // Args, Init, Stay, CloseFDs
	}{
		{"startscript", startscript, Request{Action: Start, Stay: true, Args: []string{"a b"}},
			plan.Process{Args: []string{"/.singularity.d/startscript", "a b"}, Init: true, Stay: true, CloseFDs: true}},
		{"none", "", Request{Action: Start, Stay: true}, plan.Process{Init: true, Stay: true, CloseFDs: true}},
		{"one that ends", startscript, Request{Action: Start}, plan.Process{Args: []string{"/.singularity.d/startscript"}, Init: true, CloseFDs: true}},
		{"with Docker's ways", startscript, Request{Action: Start, Compat: true},
			plan.Process{Args: []string{"/.singularity.d/startscript"}, Init: true, CloseFDs: true}},
	} {
		got, _, _ := instance(t, c.img, c.r)
		p := got.Plan.Process
		if !slices.Equal(p.Args, c.want.Args) || p.Init != c.want.Init || p.Stay != c.want.Stay || p.CloseFDs != c.want.CloseFDs || p.KeepFDs != nil {
			t.Errorf("%s: %+v", c.name, p)
		}
		if !got.Plan.Clone.PID {
			t.Errorf("%s: no process namespace", c.name)
		}
		if _, err := plan.Encode(&got.Plan); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	c, _, _ := instance(t, startscript, Request{Action: Start, UTS: true})
	if !slices.ContainsFunc(c.Plan.Ops, func(op plan.Op) bool { return op.String() == "sethostname db" }) {
		t.Error("it has the host's name")
	}
	if !slices.Contains(c.Plan.Process.Env, "SINGULARITY_INSTANCE=db") {
		t.Errorf("%q", c.Plan.Process.Env)
	}
	_, f, i := instance(t, "", Request{Action: Start})
	if _, err := Compute(Request{Action: Start, Instance: "db", NoPID: true}, f, i); err == nil || !strings.Contains(err.Error(), "--no-pid") {
		t.Errorf("%v", err)
	}
	if _, err := Compute(Request{Action: Start, Instance: "db", App: "none"}, f, i); err == nil {
		t.Error("an application that is not there")
	}
}

// TestComputeJoin: no mounts and namespaces, the instance's confinement, the image's and
// the joiner's variables.
func TestComputeJoin(t *testing.T) {
	c, f, i := instance(t, startscript, Request{Action: Start, AddCaps: "net_raw", Binds: []string{"/data"}, NoUmask: true})
	j := kept(t, c)
	got, err := ComputeJoin(Request{Action: Exec, Args: []string{"id", "-u"}, Env: []string{"MORE=x"}, NoInit: true, Fakeroot: true, Binds: []string{"/scratch"}}, f, i.FS, j, identity.Held{Bounding: math.MaxUint64})
	if err != nil {
		t.Fatal(err)
	}
	p := got.Plan
	if !reflect.DeepEqual(p.Clone, plan.Clone{Caps: "net_raw"}) {
		t.Errorf("clone %+v", p.Clone)
	}
	var verbs []string
	for _, op := range p.Ops {
		verbs = append(verbs, op.String())
	}
	if want := []string{"dropcaps net_raw", "raisecaps net_raw"}; !slices.Equal(verbs, want) {
		t.Errorf("%q; want %q", verbs, want)
	}
	pr := p.Process
	if pr.Init || pr.Stay || pr.CloseFDs || pr.Umask != 0o022 || !slices.Equal(pr.Args, []string{"id", "-u"}) {
		t.Errorf("%+v", pr)
	}
	for _, want := range []string{"FROM=image", "MORE=x", "HOME=/home/alice", "SEALIFT_INSTANCE=db", "SEALIFT_COMMAND=exec", "SEALIFT_BIND=/data", "LANG=en_US.UTF-8"} {
		if !slices.Contains(pr.Env, want) {
			t.Errorf("no %s in %q", want, pr.Env)
		}
	}
	if _, err := plan.Encode(&p); err != nil {
		t.Error(err)
	}
}

// TestJoinContained: what is contained stays so for those who join.
func TestJoinContained(t *testing.T) {
	c, f, i := instance(t, startscript, Request{Action: Start, ContainAll: true})
	f.Environ = append(f.Environ, "PMI_FD=9")
	got, err := ComputeJoin(Request{Action: Shell, Args: []string{"-l"}}, f, i.FS, kept(t, c), identity.Held{NoNewPrivs: true})
	if err != nil {
		t.Fatal(err)
	}
	pr := got.Plan.Process
	if !pr.CloseFDs || !slices.Equal(pr.KeepFDs, []int{9}) || pr.Umask != -1 || !slices.Equal(pr.Args, []string{"/bin/bash", "--norc", "-l"}) || slices.Contains(pr.Dirs, f.Cwd) {
		t.Errorf("%+v", pr)
	}
	if !slices.Contains(pr.Env, "LANG=en_US.UTF-8") {
		t.Error("the variables are not the joiner's matter")
	}
	if _, err := ComputeJoin(Request{Action: Exec, Args: []string{"x"}, Pwd: "/no/such"}, f, i.FS, kept(t, c), identity.Held{NoNewPrivs: true}); err == nil {
		t.Error("a directory that is not there")
	}
	if _, err := ComputeJoin(Request{Action: Run}, f, i.FS, kept(t, c), identity.Held{NoNewPrivs: true}); err == nil || !strings.Contains(err.Error(), "runscript") {
		t.Errorf("%v", err)
	}
}

// closed is a root directory that the kernel does not let this process look into.
type closed struct{ image.FS }

func (closed) Lstat(name string) (fs.FileInfo, error) {
	return nil, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrPermission}
}
func (c closed) Stat(name string) (fs.FileInfo, error)    { return c.Lstat(name) }
func (closed) Open(name string) (fs.File, error)          { return nil, fs.ErrPermission }
func (closed) ReadDir(name string) ([]fs.DirEntry, error) { return nil, fs.ErrPermission }
func (closed) ReadFile(name string) ([]byte, error)       { return nil, fs.ErrPermission }
func (closed) ReadLink(name string) (string, error)       { return "", fs.ErrPermission }

// TestJoinUnseen leaves to the image's own scripts what its files decide.
func TestJoinUnseen(t *testing.T) {
	c, f, i := instance(t, startscript, Request{Action: Start})
	j := kept(t, c)
	got, err := ComputeJoin(Request{Action: Exec, Args: []string{"id"}, Env: []string{"MORE=x"}}, f, closed{i.FS}, j, identity.Held{})
	if err != nil {
		t.Fatal(err)
	}
	pr := got.Plan.Process
	if !slices.Equal(pr.Args, []string{"/.singularity.d/actions/exec", "id"}) || !slices.Equal(pr.Dirs, []string{f.Cwd, "/home/alice", "/"}) ||
		!slices.Contains(pr.Env, "MORE=x") || !slices.Contains(pr.Env, "SEALIFT_INSTANCE=db") {
		t.Errorf("%+v", pr)
	}
	got, err = ComputeJoin(Request{Action: Shell, Shell: "/bin/zsh", Pwd: "/etc", NoUmask: true}, f, closed{i.FS}, j, identity.Held{})
	if err != nil {
		t.Fatal(err)
	}
	pr = got.Plan.Process
	if !slices.Equal(pr.Args, []string{"/.singularity.d/actions/shell"}) || !slices.Equal(pr.Dirs, []string{"/etc"}) || pr.Umask != 0o022 || !slices.Contains(pr.Env, "SEALIFT_SHELL=/bin/zsh") {
		t.Errorf("%+v", pr)
	}
}

// TestJoinForged: whatever is kept of a container, who joins gets no more than its first
// process has.
func TestJoinForged(t *testing.T) {
	c, f, i := instance(t, startscript, Request{Action: Start})
	j := kept(t, c)
	for _, x := range []struct {
		confine []plan.Op
		held    identity.Held
		want    string
	}{
		{[]plan.Op{plan.Do(plan.Dropcaps, "all")}, identity.Held{Bounding: 1<<13 | 1}, "dropcaps chown,net_raw"},
		{[]plan.Op{plan.Do(plan.Limitcaps, "all")}, identity.Held{Bounding: math.MaxUint64, NoNewPrivs: true}, "dropcaps all"},
		{[]plan.Op{plan.Do(plan.Limitcaps, "chown")}, identity.Held{Bounding: math.MaxUint64}, "limitcaps chown"},
		{[]plan.Op{plan.Do(plan.Dropcaps, "chown,kill")}, identity.Held{}, `dropcaps ""`},
		{[]plan.Op{plan.Do(plan.Dropcaps, "all")}, identity.Held{Bounding: 1<<plan.NamedCaps() - 1}, "dropcaps all"},
		{nil, identity.Held{}, ""},
		{[]plan.Op{plan.Do(plan.Dropcaps)}, identity.Held{}, ""},
		{[]plan.Op{plan.Do(plan.Dropcaps, "no such")}, identity.Held{}, ""},
		{[]plan.Op{plan.Do(plan.Write, "/etc/passwd", "0644", ""), plan.Do(plan.Dropcaps, "")}, identity.Held{}, ""},
	} {
		j.Confine = x.confine
		got, err := ComputeJoin(Request{Action: Exec, Args: []string{"id"}}, f, i.FS, j, x.held)
		switch {
		case x.want == "" && err == nil:
			t.Errorf("%v: %v", x.confine, got.Plan.Ops)
		case x.want != "" && (err != nil || len(got.Plan.Ops) != 1 || got.Plan.Ops[0].String() != x.want):
			t.Errorf("%v: %v, %v; want %s", x.confine, got, err, x.want)
		}
	}
}
