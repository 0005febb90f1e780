package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

// needNetwork skips where no network of a container's own can be connected.
func needNetwork(t *testing.T, program string) {
	t.Helper()
	routes, err := os.ReadFile("/proc/net/route")
	switch {
	case unix.Access("/usr/bin/"+program, unix.X_OK) != nil:
		apart.Skip(t, program+" is not installed")
	case unix.Access("/dev/net/tun", unix.R_OK|unix.W_OK) != nil:
		apart.Skip(t, "/dev/net/tun is closed to this user")
	case err != nil || !strings.Contains(string(routes), "\t00000000\t"):
		apart.Skip(t, "this machine has no default route")
	}
}

// greeter answers on every address of this machine with one line.
func greeter(t *testing.T) (port string) {
	t.Helper()
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "greetings\n")
			c.Close()
		}
	}()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// ownAddress is this machine's address on the way to elsewhere; no packet is sent.
func ownAddress(t *testing.T) string {
	t.Helper()
	c, err := net.Dial("udp4", "192.0.2.77:9")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).IP.String()
}

// TestHostsLoopbackT79 connects to a server of the host's, which a container with a
// network of its own does not reach at the loopback address, nor at the gateway's.
func TestHostsLoopbackT79(t *testing.T) {
	asUser(t, "^TestHostsLoopbackT79$")
	sealift, image := busyboxImage(t)
	port := greeter(t)
	run := func(address string, flags ...string) string {
		args := append(append([]string{"exec"}, flags...), image, "timeout", "5", "nc", address, port)
		cmd := exec.Command(sealift, args...)
		cmd.Dir = "/"
		out, _ := cmd.CombinedOutput() // the output tells
		return string(out)
	}
	if got := run("127.0.0.1"); got != "greetings\n" {
		t.Errorf("with the host's network: %q", got)
	}
	if got := run("127.0.0.1", "--network", "none"); strings.Contains(got, "greetings") {
		t.Errorf("without a network: %q", got)
	}
	for program, gateway := range map[string]string{"pasta": "", "slirp4netns": "10.0.2.2"} {
		if program == "pasta" && os.Geteuid() == 0 {
			continue // which does not serve root
		}
		t.Run(program, func(t *testing.T) {
			needNetwork(t, program)
			for _, address := range []string{"127.0.0.1", gateway} {
				if got := run(address, "--network", program); address != "" && strings.Contains(got, "greetings") {
					t.Errorf("at %s: %q", address, got)
				}
			}
		})
	}
	t.Run("outside", func(t *testing.T) {
		needNetwork(t, "slirp4netns")
		if got := run(ownAddress(t), "--network", "slirp4netns"); got != "greetings\n" {
			t.Errorf("a server elsewhere: %q", got)
		}
	})
}

// TestPortmap connects to a server in a container by a port of the host.
func TestPortmap(t *testing.T) {
	asUser(t, "^TestPortmap$")
	if os.Geteuid() == 0 {
		t.Skip("pasta does not serve root")
	}
	sealift, image := busyboxImage(t)
	needNetwork(t, "pasta")
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	cmd := exec.Command(sealift, "exec", "--net", "--network-args", "portmap="+port+":80/tcp", image,
		"sh", "-c", "echo ready; exec nc -ll -p 80 -e cat")
	cmd.Dir = "/"
	waitReady(t, cmd)
	// pasta takes connections that nobody in the container takes yet, and resets them.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		line, err := dialogue(port, "there and back\n")
		if line == "there and back\n" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%q, %v", line, err)
		}
	}
}

// dialogue sends a line to a port of this machine and returns the answer.
func dialogue(port, line string) (string, error) {
	c, err := net.Dial("tcp4", "127.0.0.1:"+port)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, line); err != nil {
		return "", err
	}
	return bufio.NewReader(c).ReadString('\n')
}

// TestNetworkEndsT114 kills, of a container with a network, the command line's
// process, the program that connects the network, or the init. Nothing is left.
func TestNetworkEndsT114(t *testing.T) {
	asUser(t, "^TestNetworkEndsT114$")
	sealift, image := busyboxImage(t)
	for _, program := range []string{"pasta", "slirp4netns"} {
		if program == "pasta" && os.Geteuid() == 0 {
			continue
		}
		needNetwork(t, program)
		for _, victim := range []string{"sealift", program[:5], "sealift-starter"} {
			t.Run(program+"/"+victim, func(t *testing.T) {
				var said strings.Builder
				cmd := exec.Command(sealift, "exec", "--network", program, image, "sh", "-c", "echo ready; exec sleep 100")
				cmd.Dir = "/"
				waitReady(t, cmd)
				cmd.Stderr = &said
				family := descendants(t, cmd.Process.Pid)
				if err := syscall.Kill(family.find(t, victim), syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				cmd.Wait()
				family.end(t, 3*time.Second)
			})
		}
	}
}
