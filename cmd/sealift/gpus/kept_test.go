package gpus

import (
	"os"
	"testing"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/cmd/sealift/caches"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/gpu/discover"
)

func TestKept(t *testing.T) {
	p := &ui.Process{Environ: []string{"SEALIFT_CACHEDIR=" + t.TempDir()}}
	if k := recall(p, "node1"); k != nil {
		t.Errorf("%+v", k)
	}
	for _, key := range []string{"a", "b"} {
		if err := keep(p, "node1", &discover.Kept{Key: key, From: "a test", Spec: &specs.Spec{Kind: "x.com/y"}}); err != nil {
			t.Fatal(err)
		}
		if k := recall(p, "node1"); k == nil || k.Key != key || k.Spec.Kind != "x.com/y" {
			t.Errorf("%+v", k)
		}
	}
	if k := recall(p, "node2"); k != nil {
		t.Errorf("%+v", k)
	}
	name, err := caches.Machine(p, "node1")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if k := recall(p, "node1"); k != nil {
		t.Errorf("%+v", k)
	}
	if os.Geteuid() == 0 {
		if err := keep(p, "node1", &discover.Kept{Spec: &specs.Spec{}}); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(name, 1, 1); err != nil {
			t.Fatal(err)
		}
		if k := recall(p, "node1"); k != nil {
			t.Errorf("somebody else's: %+v", k)
		}
	}
	nowhere := &ui.Process{Environ: []string{"HOME=none"}}
	if err := keep(nowhere, "node1", &discover.Kept{Spec: &specs.Spec{}}); err == nil || recall(nowhere, "node1") != nil {
		t.Error("there is a cache without a directory")
	}
}
