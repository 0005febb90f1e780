package fds

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const helper = "FDS_TEST_HELPER"

// TestMain is a program that closes what it inherited, in the way that the
// variable names, and lists what is open, or what a child of it has.
func TestMain(m *testing.M) {
	switch os.Getenv(helper) {
	case "":
		os.Exit(m.Run())
	case "hide":
		HideOthers([]int{5}, 6)
		closeRange(9, 9, unix.CLOSE_RANGE_CLOEXEC)
	case "close":
		CloseOthers([]int{5, 6})
	}
	out := ""
	for fd := 3; fd < 10; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		switch {
		case err != nil:
			out += " -"
		case flags&unix.FD_CLOEXEC != 0:
			out += " hidden"
		default:
			out += " open"
		}
	}
	os.Stdout.WriteString(out)
}

func TestDescriptors(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for way, want := range map[string]string{
		"hide":  "hidden hidden open open hidden hidden hidden",
		"close": "- - open open - - -",
	} {
		cmd := exec.Command(self)
		cmd.Env = []string{helper + "=" + way}
		cmd.ExtraFiles = []*os.File{null, null, null, null, null, null, null}
		if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: %s, %v; want %s", way, out, err, want)
		}
	}
}
