package discover

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/gpu/library"
	"github.com/sealift/sealift/gpu/plan"
)

// keptOf returns one of the specifications that gpu/plan is tested with, and libraries.
func keptOf(t testing.TB, name string) *Kept {
	t.Helper()
	text, err := os.ReadFile("../plan/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	k := &Kept{Key: "key", From: "a test", Spec: &specs.Spec{}, Libraries: plan.Facts{
		"/usr/lib/libcuda.so.1.2": {Stamp: "1 2", Library: &library.Library{SoName: "libcuda.so.1", Arch: "amd64",
			Needs: map[string][]string{"libc.so.6": {"GLIBC_2.2.5", "GLIBC_2.17"}, "libm.so.6": {}}, Forward: &library.Forward{Drivers: []int{535, 550}}}},
		"/usr/lib/none.so": {Library: &library.Library{Needs: map[string][]string{}}},
	}}
	if err := json.Unmarshal(text, k.Spec); err != nil {
		t.Fatal(err)
	}
	return k
}

// TestKeptForm: a plan follows from what was kept as it does from what was found.
func TestKeptForm(t *testing.T) {
	for _, name := range []string{"spec.json", "spec-mig.json", "spec-dlopen.json"} {
		k := keptOf(t, name)
		k.Spec.ContainerEdits.AdditionalGIDs = []uint32{44, 4294967295}
		text, err := k.Text()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseKept(text)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := got.Text(); err != nil || again != text {
			t.Errorf("%s: %v\n%q\n%q", name, err, again, text)
		}
		if !reflect.DeepEqual(got.Libraries, k.Libraries) || !reflect.DeepEqual(got.Spec.ContainerEdits.Mounts, k.Spec.ContainerEdits.Mounts) {
			t.Errorf("%s: %+v", name, got)
		}
		var plans []*plan.Plan
		for _, s := range []*specs.Spec{k.Spec, got.Spec} {
			p, err := plan.Compute(plan.Inputs{Sources: []plan.Source{{Spec: s, Names: []string{s.Devices[0].Name}}}, Arch: "amd64", Host: os.DirFS(t.TempDir())})
			if err != nil {
				t.Fatal(err)
			}
			plans = append(plans, p)
		}
		if !reflect.DeepEqual(plans[0], plans[1]) {
			t.Errorf("%s: %+v", name, plans[1])
		}
	}
}

// TestKeptFormTrouble: what cannot be kept, and files that are something else.
func TestKeptFormTrouble(t *testing.T) {
	for _, change := range []func(*specs.ContainerEdits){
		func(e *specs.ContainerEdits) { e.Env = append(e.Env, "A=\x00") },
		func(e *specs.ContainerEdits) { e.IntelRdt = &specs.IntelRdt{} },
		func(e *specs.ContainerEdits) { e.NetDevices = []*specs.LinuxNetDevice{{}} },
	} {
		k := keptOf(t, "spec.json")
		change(&k.Spec.ContainerEdits)
		if text, err := k.Text(); err == nil {
			t.Errorf("%q", text)
		}
	}
	whole, err := keptOf(t, "spec.json").Text()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"", "{}", whole[:len(whole)/2], whole + "x", strings.Replace(whole, "kept\x001", "kept\x002", 1), "4\x00kept\x001\x00k\x00f\x002\x00odd\x00x\x00",
		"4\x00kept\x001\x00k\x00f\x002\x00mount\x00x\x00", "4\x00kept\x001\x00k\x00f\x002\x00need\x00x\x00", "4\x00kept\x001\x00k\x00f\x002\x00gids\x00x\x00", "9999999999999999999\x00kept\x00\x00",
	} {
		if k, err := ParseKept(text); err == nil {
			t.Errorf("%q: %+v", text, k)
		}
	}
}

// FuzzParseKept: what is read can be written, and is then read alike.
func FuzzParseKept(f *testing.F) {
	for _, name := range []string{"spec.json", "spec-mig.json"} {
		text, err := keptOf(f, name).Text()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKept(text)
		if err != nil {
			return
		}
		again, err := k.Text()
		if err != nil {
			t.Fatal(err)
		}
		if other, err := ParseKept(again); err != nil || !reflect.DeepEqual(k, other) {
			t.Errorf("%v\n%+v\n%+v", err, k, other)
		}
	})
}
