package network

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/starter/plan"
)

// Addresses at which name servers of the host answer in the container, also
// those that listen on the host's loopback interface only.
const (
	pastaResolver = "169.254.1.1"
	slirpResolver = "10.0.2.3" // slirp4netns's own
)

// connect returns the command line of the program that connects the network
// namespace.
func (w *Wish) connect(name string, f *host.Facts) ([]string, error) {
	ports, err := portmaps(w.Args)
	if err != nil {
		return nil, err
	}
	if name == auto {
		name = choose(f)
	}
	path := map[string]string{pasta: f.Pasta, slirp: f.Slirp4netns}[name]
	switch {
	case path == "":
		return nil, missing(name)
	case !f.Tun:
		return nil, hint.New("/dev/net/tun is missing or closed to this user, and a network of the container's own needs it",
			"have the administrator load the module tun and set mode 0666, as distributions do, or do without: --network none")
	case name == pasta && f.UID == 0:
		return nil, hint.New("pasta gives up root's rights and cannot enter the container then",
			"choose --network slirp4netns, or start Sealift as an ordinary user")
	case name == slirp && len(ports.given()) > 0:
		return nil, hint.New("slirp4netns forwards no ports for Sealift", "choose --network pasta for --network-args portmap=…")
	case name == slirp:
		return slirpCommand(path), nil
	}
	return pastaCommand(path, ports), nil
}

// choose returns the better of the programs that can be used. Root's is
// slirp4netns.
func choose(f *host.Facts) string {
	if f.UID == 0 || f.Pasta == "" && f.Slirp4netns != "" {
		return slirp
	}
	return pasta
}

func missing(name string) error {
	return hint.New(fmt.Sprintf("a network of the container's own needs the program %s, which is not installed", name),
		"install pasta (package passt) or slirp4netns, or do without: --network none")
}

// pastaCommand has pasta map nothing of the host into the container: neither
// ports that happen to be in use, nor its loopback interface at the gateway's
// address, but for name servers at an address of their own.
func pastaCommand(path string, ports ports) []string {
	return []string{path, "-f", "-q", "--config-net", "--no-map-gw", "--dns-forward", pastaResolver,
		"-t", ports.list("tcp"), "-u", ports.list("udp"), "-T", none, "-U", none,
		"--pid", "/proc/self/fd/" + plan.HelperReady, plan.HelperPID}
}

func slirpCommand(path string) []string {
	return []string{path, "--configure", "--mtu=65520", "--disable-host-loopback",
		"--ready-fd=" + plan.HelperReady, "--exit-fd=" + plan.HelperExit, plan.HelperPID, "tap0"}
}

// ports are those of the host that lead to ports of the container, as
// HOST:CONTAINER, by protocol.
type ports map[string][]string

func (p ports) given() []string { return append(p["tcp"], p["udp"]...) }

// list is the argument of pasta's -t and -u.
func (p ports) list(protocol string) string {
	if len(p[protocol]) == 0 {
		return none
	}
	return strings.Join(p[protocol], ",")
}

// portmaps reads values of --network-args, in which the name of a network and a
// colon may precede, and semicolons may join several.
func portmaps(args []string) (ports, error) {
	p := ports{}
	for _, value := range args {
		for arg := range strings.SplitSeq(value, ";") {
			key, spec, _ := strings.Cut(arg, "=")
			if _, after, ok := strings.Cut(key, ":"); ok {
				key = after
			}
			if key != "portmap" {
				return nil, hint.New(fmt.Sprintf("--network-args %s: only ports can be forwarded", arg), remedyPorts)
			}
			mapped, protocol, ok := portmap(spec)
			if !ok {
				return nil, hint.New(fmt.Sprintf("--network-args %s: not a pair of ports", arg), remedyPorts)
			}
			p[protocol] = append(p[protocol], mapped)
		}
	}
	return p, nil
}

const remedyPorts = "write portmap=HOST:CONTAINER, or portmap=HOST:CONTAINER/udp, with port numbers from 1 to 65535"

// portmap reads HOST:CONTAINER[/PROTOCOL].
func portmap(spec string) (mapped, protocol string, ok bool) {
	spec, protocol, named := strings.Cut(spec, "/")
	if !named {
		protocol = "tcp"
	}
	host, container, _ := strings.Cut(spec, ":")
	for _, port := range []string{host, container} {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", "", false
		}
	}
	return host + ":" + container, protocol, protocol == "tcp" || protocol == "udp"
}
