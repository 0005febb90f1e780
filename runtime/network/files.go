package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/host"
)

// Names of the files.
const (
	hostsFile    = "/etc/hosts"
	resolverFile = "/etc/resolv.conf"
	hostnameFile = "/etc/hostname"
)

// maxFile bounds the host's files, in bytes; larger ones are taken for empty.
const maxFile = 1 << 20

// localhost are the lines of hosts(5) that every network has.
const localhost = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"

// files returns what replaces files of the host: where the network, the host name
// or the name servers are the container's own.
func (w *Wish) files(n *Network, f *host.Facts) (map[string]string, error) {
	files := map[string]string{}
	if w.Hostname != "" {
		files[hostnameFile] = w.Hostname + "\n"
	}
	switch {
	case n.Own && w.Hostname == "":
		files[hostsFile] = localhost + nameLine(f.Hostname)
	case n.Own:
		files[hostsFile] = localhost + nameLine(w.Hostname)
	case w.Hostname != "":
		files[hostsFile] = withEnd(read(f, hostsFile, localhost)) + nameLine(w.Hostname)
	}
	servers, err := w.servers()
	switch {
	case err != nil:
		return nil, err
	case servers != "":
		files[resolverFile] = servers
	case n.Own:
		files[resolverFile] = resolver(n.Helper, read(f, resolverFile, ""))
	}
	return files, nil
}

// nameLine has a host name resolve to this machine, as Debian does it.
func nameLine(name string) string {
	if name == "" || name == "localhost" {
		return ""
	}
	return "127.0.1.1 " + name + "\n"
}

// servers are the lines of resolv.conf(5) for the addresses of --dns.
func (w *Wish) servers() (string, error) {
	var lines strings.Builder
	for _, value := range w.DNS {
		for text := range strings.SplitSeq(value, ",") {
			text = strings.TrimSpace(text)
			if _, err := netip.ParseAddr(text); err != nil {
				return "", hint.New(fmt.Sprintf("--dns %s: %q is not an IP address", value, text), "give addresses of name servers: --dns 192.0.2.53,2001:db8::53")
			}
			lines.WriteString("nameserver " + text + "\n")
		}
	}
	return lines.String(), nil
}

// resolver is the container's resolv.conf(5) where the host's is text: its name
// servers as the program helper shows them, and its other lines.
func resolver(helper []string, text string) string {
	if len(helper) == 0 {
		return "" // nobody can be asked
	}
	var servers, others []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || strings.HasPrefix(fields[0], "#") || strings.HasPrefix(fields[0], ";"):
		case fields[0] == "nameserver" && len(fields) > 1:
			servers = append(servers, reachable(fields[1]))
		default:
			others = append(others, strings.Join(fields, " "))
		}
	}
	if !slices.Contains(helper, pastaResolver) {
		servers = []string{slirpResolver}
	} else if len(servers) == 0 {
		servers = []string{pastaResolver} // resolv.conf(5): the default is this machine
	}
	var b strings.Builder
	for i, s := range servers {
		if !slices.Contains(servers[:i], s) {
			b.WriteString("nameserver " + s + "\n")
		}
	}
	for _, line := range others {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// reachable returns the address at which pasta shows a name server of the host.
func reachable(server string) string {
	address, err := netip.ParseAddr(server)
	if err != nil || address.IsLoopback() || address.IsUnspecified() {
		return pastaResolver
	}
	return server
}

// read returns a file of the host, or another text where there is none.
func read(f *host.Facts, name, otherwise string) string {
	text, err := f.ReadFile(name, maxFile)
	if err != nil {
		return otherwise
	}
	return text
}

// withEnd ends the last line.
func withEnd(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}
