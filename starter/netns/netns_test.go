package netns

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

const helper = "NETNS_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helper) == "" {
		os.Exit(m.Run())
	}
	if err := Up(); err != nil {
		os.Stdout.WriteString("up: " + err.Error())
		os.Exit(1)
	}
	for _, address := range []string{"127.0.0.1:80", "[::1]:80"} {
		l, err := net.Listen("tcp", address)
		if err == nil {
			_, err = net.Dial("tcp", l.Addr().String())
		}
		if err != nil {
			os.Stdout.WriteString("port 80: " + err.Error())
			os.Exit(1)
		}
	}
}

// TestUp connects to a low port in a namespace of its own, where this user is
// not root.
func TestUp(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = []string{helper + "=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getgid(), Size: 1}},
		AmbientCaps: []uintptr{12}, // CAP_NET_ADMIN
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestUpNeedsTheRight fails in the namespace of the machine.
func TestUpNeedsTheRight(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("for a user")
	}
	if err := Up(); err == nil || !strings.Contains(err.Error(), "not permitted") {
		t.Errorf("%v", err)
	}
}
