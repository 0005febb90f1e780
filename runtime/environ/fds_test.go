package environ

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestKeptFDs(t *testing.T) {
	got := KeptFDs([]string{"PMI_FD=9", "PMIX_X_FD=5", "PMI2_FD=9", "PMI_FD=2", "PMI_SERVER_FD=x", "MY_FD=7", "PMI_RANK=4"})
	if !slices.Equal(got, []int{5, 9}) {
		t.Errorf("%v", got)
	}
}

// TestActions has shells check the scripts, and runs the one that needs no
// container.
func TestActions(t *testing.T) {
	for _, a := range Actions {
		for name, sh := range shells(t) {
			cmd := exec.Command(sh[0], append(slices.Clone(sh[1:]), "-n", "-s")...)
			cmd.Stdin = strings.NewReader(a.Text)
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s, %s: %v %s", a.Name, name, err, out)
			}
		}
		if a.Name != "exec" {
			continue
		}
		file := filepath.Join(filepath.Dir(write(t, map[string]string{"exec": a.Text})[0]), "exec")
		if out, err := exec.Command("/bin/sh", file, "printf", "<%s>", "a b", "").Output(); err != nil || string(out) != "<a b><>" {
			t.Errorf("%v %q", err, out)
		}
	}
}
