package share

import (
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/starter/plan"
)

func example() *plan.Plan {
	return &plan.Plan{
		Clone: plan.Clone{User: true, Mount: true, UIDs: []plan.IDMap{{Inside: 7, Outside: 7, Size: 1}}, GIDs: []plan.IDMap{{Inside: 8, Outside: 8, Size: 1}}},
		Image: []plan.Op{plan.Do(plan.Mkdir, "/data", "0755")},
		Ops: []plan.Op{
			plan.Do(plan.Session, "/session", "mode=0755"),
			plan.Do(plan.Mkdir, "@volumes/0", "0755"), plan.Do(plan.Fuse, "@volumes/0", "allow_other"),
			plan.Do(plan.Fuse, "@root", ""),
			plan.Do(plan.Bind, "/scratch", "/data", ""),
			plan.Do(plan.Pivot),
		},
		Process: plan.Process{Args: []string{"true"}, Umask: -1},
	}
}

// lines is what a plan does, one operation a line.
func lines(p *plan.Plan) string {
	var text strings.Builder
	for _, op := range p.Ops {
		text.WriteString(string(op.Verb) + " " + strings.Join(op.Args, " ") + "\n")
	}
	return text.String()
}

// TestTask divides a plan into that of the holder and that of a task.
func TestTask(t *testing.T) {
	p := example()
	before := lines(p)
	if err := Check(p); err != nil {
		t.Fatal(err)
	}
	holder, targets := Holder(p, "/held")
	if got, want := lines(holder), "session /held mode=0755\nmkdir @0 0755\nfuse @0 allow_other\nmkdir @1 0755\nfuse @1 \n"; got != want {
		t.Errorf("the holder does\n%s, not\n%s", got, want)
	}
	if len(targets) != 2 || targets["@0"] != "@volumes/0" || targets["@1"] != "@root" || !holder.Process.Hold || len(holder.Image) != 1 || !holder.Clone.User {
		t.Errorf("%v, %+v", targets, holder)
	}
	if _, err := plan.Encode(holder); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		own  []string
		want string
	}{
		{nil, "session /session mode=0755\nmkdir @volumes/0 0755\nbind /held/0 @volumes/0 \nbind /held/1 @root \nbind /scratch /data \npivot \n"},
		{[]string{"@root"}, "session /session mode=0755\nmkdir @volumes/0 0755\nbind /held/0 @volumes/0 \nfuse @root \nbind /scratch /data \npivot \n"},
	} {
		task := Task(p, "/held", c.own...)
		if got := lines(task); got != c.want {
			t.Errorf("a task does\n%s, not\n%s", got, c.want)
		}
		if _, err := plan.Encode(task); err != nil || task.Clone.User || !slices.Equal(task.Process.Args, p.Process.Args) {
			t.Errorf("%v, %+v", err, task)
		}
	}
	if lines(p) != before || !p.Clone.User {
		t.Error("the plan was changed")
	}
}

// TestCheck has everything refused that a container has for itself.
func TestCheck(t *testing.T) {
	for want, change := range map[string]func(p *plan.Plan){
		"user namespace":       func(p *plan.Plan) { p.Clone.User = false },
		"process namespace":    func(p *plan.Plan) { p.Clone.PID = true },
		"network":              func(p *plan.Plan) { p.Clone.NetPath = "/run/netns/x" },
		"network of":           func(p *plan.Plan) { p.Clone.Net = true },
		"other user ids":       func(p *plan.Plan) { p.Clone.UIDs[0].Inside = 0 },
		"user ids":             func(p *plan.Plan) { p.Clone.UIDs[0].Size = 2 },
		"process 1":            func(p *plan.Plan) { p.Process.Init = true },
		"program serves":       func(p *plan.Plan) { p.Ops[2].Args[1] = "allow_other,rw" },
		"program serves a":     func(p *plan.Plan) { p.Ops[3].Args[1] = "keep" },
		"its image is":         func(p *plan.Plan) { p.Ops[3] = plan.Do(plan.Fill, "@root") },
		"root is emulated":     func(p *plan.Plan) { p.Ops = append(p.Ops, plan.Do(plan.Emulate, "full", "")) },
		"a process 1 of its":   func(p *plan.Plan) { p.Process.Mounters = []plan.Mounter{{Target: "/m"}} },
		"than the caller":      func(p *plan.Plan) { p.Clone.UIDs = append(p.Clone.UIDs, p.Clone.UIDs[0]) },
		"a file system of it":  func(p *plan.Plan) { p.Ops[3].Args[1] = "wait" },
		"namespace of its own": func(p *plan.Plan) { p.Clone.PID = true },
	} {
		p := example()
		change(p)
		if err := Check(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestKey tells identities apart by each of their fields.
func TestKey(t *testing.T) {
	base := func() Identity {
		return Identity{Version: "1", Step: "s", Node: "n", Namespaces: []string{"user:[1]"}, Files: []File{{Inode: 3}}, Options: []string{"o"}, Plan: "p"}
	}
	first := base()
	seen := map[string]bool{first.Key(): true}
	for _, change := range []func(i *Identity){
		func(i *Identity) { i.Version = "2" }, func(i *Identity) { i.Step = "t" }, func(i *Identity) { i.Node = "m" },
		func(i *Identity) { i.Namespaces[0] = "user:[2]" }, func(i *Identity) { i.Files[0].Inode = 4 }, func(i *Identity) { i.Files[0].Changed = 1 },
		func(i *Identity) { i.Files[0].Offset = 1 }, func(i *Identity) { i.Options = nil }, func(i *Identity) { i.Plan = "q" },
	} {
		i := base()
		change(&i)
		if seen[i.Key()] {
			t.Errorf("%+v has the key of another", i)
		}
		seen[i.Key()] = true
	}
	if again := base(); !seen[again.Key()] {
		t.Error("equal identities have other keys")
	}
	if a, b := Shows(example().Image), Shows(example().Image); a != b || a == Shows(nil) {
		t.Error("what images show is not told apart")
	}
}

// TestMountPoints: what is mounted in the image, and nothing else.
func TestMountPoints(t *testing.T) {
	p := example()
	p.Ops = append(p.Ops, plan.Do(plan.Mount, "tmpfs", "/run/", "", ""), plan.Do(plan.Overlay, "/opt", "a:b", "", "", ""), plan.Do(plan.Bind, "/x", "@y", ""))
	if got, want := mountPoints(p), []string{"data", "run", "opt"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if err := Known(1, &plan.Plan{Ops: []plan.Op{plan.Do(plan.Fuse, "/", "")}}, "/no/such"); err == nil || !strings.Contains(err.Error(), "look at the image") {
		t.Error(err)
	}
	if err := Known(1, &plan.Plan{}, "/no/such"); err != nil {
		t.Error(err)
	}
}
