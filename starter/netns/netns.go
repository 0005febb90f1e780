// Package netns sets up a new network namespace (network_namespaces(7)).
//
// Input: the network namespace of the calling thread, which needs CAP_NET_ADMIN
// there. Output: a loopback interface that works. It knows nothing of plans,
// decides nothing, and must not print.
package netns

import "golang.org/x/sys/unix"

// lowPorts is the file that says from which port on every user may bind
// (networking/ip-sysctl.rst of the kernel). It is the namespace's own.
const lowPorts = "/proc/sys/net/ipv4/ip_unprivileged_port_start"

// Up sets the interface lo up and, where /proc/sys may be written, lets every
// user of the namespace bind ports below 1024: nobody else can use them.
func Up() error {
	if err := loopbackUp(); err != nil {
		return err
	}
	// Where this fails, because /proc is read-only or the kernel older than
	// 4.11, low ports take a capability, as they always did.
	if fd, err := unix.Open(lowPorts, unix.O_WRONLY|unix.O_CLOEXEC, 0); err == nil {
		unix.Write(fd, []byte("0"))
		unix.Close(fd)
	}
	return nil
}

func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo)
}
