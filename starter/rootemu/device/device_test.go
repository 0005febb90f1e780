package device

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNumbers compares with what this machine has. Cover is tested by whoever
// has the namespaces for it, package rootemu.
func TestNumbers(t *testing.T) {
	for _, name := range Names() {
		var st unix.Stat_t
		if err := unix.Stat("/dev/"+name, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR {
			t.Skipf("this machine has no device /dev/%s: %v", name, err)
		}
		if st.Rdev != uint64(Number(name)) {
			t.Errorf("%s is %#x, not %#x", name, st.Rdev, Number(name))
		}
	}
	if Number("console") != 0 || slices.Contains(Names(), "console") {
		t.Error("the console is not for programs in another root directory")
	}
}

func TestCoverFails(t *testing.T) {
	if err := Cover(-1, -1, -1, "null"); err == nil {
		t.Error("no namespace, and no error")
	}
}
