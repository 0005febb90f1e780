package probe

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sealift/sealift/runtime/doctor"
	"github.com/sealift/sealift/starter/mountinfo"
)

func TestNext(t *testing.T) {
	for text, want := range map[string]uint32{
		"": 0, "a:100000:65536\nb:165536:65536": 231072, "a:x:1\na:5\n1000:7:3": 10, "a:4294967295:2": 0,
	} {
		if got := next(text); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestTypeOf(t *testing.T) {
	table := []mountinfo.Mount{{Point: "/", Type: "ext4"}, {Point: "/home", Type: "autofs"}, {Point: "/home", Type: "nfs4"}, {Point: "/home/a", Type: "lustre"}}
	for path, want := range map[string]string{"/": "ext4", "/homes": "ext4", "/home": "nfs4", "/home/b/c": "nfs4", "/home/a/b": "lustre", "/home/ab": "nfs4"} {
		if got := typeOf(path, table); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	if got := typeOf("/x", nil); got != "" {
		t.Error(got)
	}
}

func TestInChroot(t *testing.T) {
	if inChroot(nil) || inChroot([]mountinfo.Mount{{Point: "/proc"}, {Point: "/"}}) || !inChroot([]mountinfo.Mount{{Point: "/proc"}}) {
		t.Error("wrong")
	}
}

func TestField(t *testing.T) {
	const status = "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n"
	if got := field(status, "Seccomp"); got != "2" {
		t.Error(got)
	}
	if got := field(status, "No"); got != "" {
		t.Error(got)
	}
}

// TestLate goes on without the parts that never answer, and lets those end that are
// slow to give up.
func TestLate(t *testing.T) {
	m := &machine{Inputs: Inputs{Patience: 200 * time.Millisecond}}
	never := make(chan bool)
	defer close(never)
	var f doctor.Findings
	gather(context.Background(), m, []part{
		{[]string{"a", "b"}, func(context.Context, *machine) func(*doctor.Findings) { <-never; return nil }},
		{[]string{"c"}, func(ctx context.Context, _ *machine) func(*doctor.Findings) {
			<-ctx.Done()
			return func(f *doctor.Findings) { f.Program = "polite" }
		}},
		{[]string{"d"}, func(context.Context, *machine) func(*doctor.Findings) { <-never; return nil }},
		{[]string{"e"}, func(context.Context, *machine) func(*doctor.Findings) {
			return func(f *doctor.Findings) { f.Systemd = true }
		}},
	}, &f)
	if !slices.Equal(f.Late, []string{"a", "b", "d"}) || f.Program != "polite" || !f.Systemd {
		t.Errorf("%+v", f)
	}
}

// TestParts covers all checks that need facts of their own.
func TestParts(t *testing.T) {
	var covered []string
	for _, p := range parts() {
		covered = append(covered, p.checks...)
	}
	for _, name := range doctor.Names() {
		if name != "kernel" && name != "root-emulation" && !slices.Contains(covered, name) {
			t.Errorf("nothing is found out for %s", name)
		}
	}
	for _, name := range covered {
		if !slices.Contains(doctor.Names(), name) {
			t.Errorf("there is no check %s", name)
		}
	}
}

// TestEmptyImage is what the trial of FUSE serves.
func TestEmptyImage(t *testing.T) {
	r, err := empty()
	if err != nil {
		t.Fatal(err)
	}
	if ino, err := r.Inode(r.Root()); err != nil || !ino.IsDir() {
		t.Errorf("%+v, %v", ino, err)
	}
}
