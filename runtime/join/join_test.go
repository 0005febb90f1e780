package join

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/sealift/sealift/starter/enter"
)

// Entering real containers is tested by runtime/launch, with the real starter.

// TestOpen: what a process has of its own, as long as it is the one that is meant.
func TestOpen(t *testing.T) {
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--uts", "cat")
	in, err := cmd.StdinPipe()
	if err := errors.Join(err, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	for comm := ""; comm != "cat\n"; {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/comm")
		if err != nil {
			t.Fatal(err)
		}
		comm = string(text)
	}
	n, err := Open(cmd.Process.Pid, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if len(n.List) != 2 || n.List[0].Kind != enter.User || n.List[1].Kind != enter.UTS || n.Root == nil {
		t.Errorf("%+v", n)
	}
	gone := errors.New("gone")
	if _, err := Open(cmd.Process.Pid, func() error { return gone }); !errors.Is(err, gone) {
		t.Error(err)
	}
	if n, err := Open(os.Getpid(), func() error { return nil }); err != nil || len(n.List) != 0 {
		t.Errorf("%+v, %v", n, err)
	}
	var none *Namespaces
	none.Close()
}
