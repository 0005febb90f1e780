package network

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/host"
)

// machine returns facts of a machine with both programs, changed.
func machine(change func(*host.Facts)) *host.Facts {
	f := &host.Facts{
		UID: 1000, Cwd: "/home/u", Hostname: "node7", Pasta: "/usr/bin/pasta", Slirp4netns: "/usr/bin/slirp4netns", Tun: true,
		Root: fstest.MapFS{
			"etc/hosts":       {Data: []byte("127.0.0.1 localhost\n10.1.1.1 node7")},
			"etc/resolv.conf": {Data: []byte("# made by hand\nsearch example.org\nnameserver 10.1.1.53\nnameserver 127.0.0.53\nnameserver ::1\noptions edns0  trust-ad\n")},
			"run/netns/blue":  {},
		},
	}
	change(f)
	return f
}

func plain(*host.Facts) {}

func root(f *host.Facts) { f.UID, f.Admin = 0, true }

func TestOf(t *testing.T) {
	const pastaRest = "-f -q --config-net --no-map-gw --dns-forward 169.254.1.1 -t none -u none -T none -U none --pid /proc/self/fd/@ready @pid"
	const slirpRest = "--configure --mtu=65520 --disable-host-loopback --ready-fd=@ready --exit-fd=@exit @pid tap0"
	for name, c := range map[string]struct {
		wish   Wish
		facts  func(*host.Facts)
		own    bool
		path   string
		helper string
	}{
		"host":                {Wish{}, plain, false, "", ""},
		"none":                {Wish{Net: true, Name: "none"}, plain, true, "", ""},
		"none without --net":  {Wish{Name: "none"}, plain, true, "", ""},
		"--net":               {Wish{Net: true}, plain, true, "", "/usr/bin/pasta " + pastaRest},
		"auto":                {Wish{Name: "auto"}, plain, true, "", "/usr/bin/pasta " + pastaRest},
		"auto, slirp4netns":   {Wish{Net: true}, func(f *host.Facts) { f.Pasta = "" }, true, "", "/usr/bin/slirp4netns " + slirpRest},
		"auto, root":          {Wish{Net: true}, root, true, "", "/usr/bin/slirp4netns " + slirpRest},
		"slirp4netns":         {Wish{Name: "slirp4netns"}, plain, true, "", "/usr/bin/slirp4netns " + slirpRest},
		"ports":               {Wish{Args: []string{"portmap=8080:80/tcp", "bridge:portmap=53:5353/udp;portmap=8443:443"}}, plain, true, "", "/usr/bin/pasta " + strings.Replace(pastaRest, "-t none -u none", "-t 8080:80,8443:443 -u 53:5353", 1)},
		"another namespace":   {Wish{Path: "/run/netns/blue"}, root, false, "/run/netns/blue", ""},
		"another, relatively": {Wish{Path: "../../run/netns/blue"}, root, false, "/run/netns/blue", ""},
	} {
		n, err := Of(c.wish, machine(c.facts))
		if err != nil || n.Own != c.own || n.Path != c.path || strings.Join(n.Helper, " ") != c.helper {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

func TestOfRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		wish  Wish
		facts func(*host.Facts)
		want  string
		hint  string
	}{
		"bridge":                 {Wish{Net: true, Name: "bridge"}, plain, "--network bridge: networks of CNI plugins need root's rights", "ip netns"},
		"macvlan":                {Wish{Name: "macvlan"}, root, "--network macvlan: networks of CNI", "--netns-path"},
		"two":                    {Wish{Name: "none,bridge"}, plain, "a container has one network", "choose none"},
		"nothing installed":      {Wish{Net: true}, func(f *host.Facts) { f.Pasta, f.Slirp4netns = "", "" }, "needs the program pasta, which is not installed", "package passt"},
		"no slirp4netns":         {Wish{Name: "slirp4netns"}, func(f *host.Facts) { f.Slirp4netns = "" }, "needs the program slirp4netns", "install pasta"},
		"no device":              {Wish{Net: true}, func(f *host.Facts) { f.Tun = false }, "/dev/net/tun is missing or closed", "module tun"},
		"pasta as root":          {Wish{Name: "pasta"}, root, "pasta gives up root's rights", "--network slirp4netns"},
		"ports of slirp4netns":   {Wish{Name: "slirp4netns", Args: []string{"portmap=1:1"}}, plain, "forwards no ports", "--network pasta"},
		"ports of none":          {Wish{Name: "none", Args: []string{"portmap=1:1"}}, plain, "--network none has no ports", "leave out --network-args"},
		"an address":             {Wish{Args: []string{"IP=10.0.0.7"}}, plain, "--network-args IP=10.0.0.7: only ports", "portmap=HOST:CONTAINER"},
		"port 0":                 {Wish{Args: []string{"portmap=0:80"}}, plain, "not a pair of ports", "from 1 to 65535"},
		"port 65536":             {Wish{Args: []string{"portmap=80:65536"}}, plain, "not a pair of ports", "from 1 to 65535"},
		"one port":               {Wish{Args: []string{"portmap=80"}}, plain, "not a pair of ports", "portmap=HOST:CONTAINER"},
		"a protocol":             {Wish{Args: []string{"portmap=80:80/sctp"}}, plain, "not a pair of ports", "/udp"},
		"path and --net":         {Wish{Net: true, Path: "/run/netns/blue"}, root, "--netns-path enters", "leave out one"},
		"path and ports":         {Wish{Args: []string{"portmap=1:1"}, Path: "/run/netns/blue"}, root, "--netns-path enters", "leave out one"},
		"path, no root":          {Wish{Path: "/run/netns/blue"}, plain, "--netns-path /run/netns/blue: the kernel lets root alone", "--net"},
		"path, missing":          {Wish{Path: "/run/netns/red"}, root, "--netns-path /run/netns/red: file does not exist", "/run/netns/NAME"},
		"a name for an address":  {Wish{DNS: []string{"10.0.0.1,dns.example.org"}}, plain, `"dns.example.org" is not an IP address`, "--dns 192.0.2.53"},
		"nothing for an address": {Wish{DNS: []string{"10.0.0.1,"}}, plain, `"" is not an IP address`, "--dns"},
	} {
		n, err := Of(c.wish, machine(c.facts))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), c.hint) {
			t.Errorf("%s: %+v, %v, hint %s", name, n, err, hint.Of(err))
		}
	}
}

func TestFiles(t *testing.T) {
	const own = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 node7\n"
	const rest = "search example.org\noptions edns0 trust-ad\n"
	none := func(f *host.Facts) { f.Root, f.Hostname = fstest.MapFS{}, "localhost" }
	for name, c := range map[string]struct {
		wish  Wish
		facts func(*host.Facts)
		want  map[string]string
	}{
		"host":         {Wish{}, plain, nil},
		"none":         {Wish{Name: "none"}, plain, map[string]string{hostsFile: own, resolverFile: ""}},
		"none, named":  {Wish{Name: "none", Hostname: "box"}, plain, map[string]string{hostsFile: strings.Replace(own, "node7", "box", 1), resolverFile: "", hostnameFile: "box\n"}},
		"pasta":        {Wish{Net: true}, plain, map[string]string{hostsFile: own, resolverFile: "nameserver 10.1.1.53\nnameserver 169.254.1.1\n" + rest}},
		"slirp4netns":  {Wish{Name: "slirp4netns"}, plain, map[string]string{hostsFile: own, resolverFile: "nameserver 10.0.2.3\n" + rest}},
		"no files":     {Wish{Net: true}, none, map[string]string{hostsFile: localhost, resolverFile: "nameserver 169.254.1.1\n"}},
		"--dns":        {Wish{DNS: []string{"10.0.0.1, 2001:db8::1", "10.0.0.2"}}, plain, map[string]string{resolverFile: "nameserver 10.0.0.1\nnameserver 2001:db8::1\nnameserver 10.0.0.2\n"}},
		"--dns, --net": {Wish{Net: true, DNS: []string{"10.0.0.1"}}, plain, map[string]string{hostsFile: own, resolverFile: "nameserver 10.0.0.1\n"}},
		"--hostname":   {Wish{Hostname: "box"}, plain, map[string]string{hostsFile: "127.0.0.1 localhost\n10.1.1.1 node7\n127.0.1.1 box\n", hostnameFile: "box\n"}},
		"another one":  {Wish{Path: "/run/netns/blue"}, root, nil},
	} {
		n, err := Of(c.wish, machine(c.facts))
		if err != nil || len(n.Files) != len(c.want) {
			t.Errorf("%s: %q, %v", name, n.Files, err)
		}
		for file, want := range c.want {
			if got, ok := n.Files[file]; got != want || !ok {
				t.Errorf("%s: %s is %q, want %q", name, file, got, want)
			}
		}
	}
}

// TestNothingOfTheHost keeps options that would show the host's ports in the
// container, or the container's on the host.
func TestNothingOfTheHost(t *testing.T) {
	n, err := Of(Wish{Net: true}, machine(plain))
	if err != nil {
		t.Fatal(err)
	}
	for _, option := range []string{"-t", "-u", "-T", "-U"} {
		if i := slices.Index(n.Helper, option); i < 0 || n.Helper[i+1] != "none" {
			t.Errorf("%s in %q", option, n.Helper)
		}
	}
	if !slices.Contains(n.Helper, "--no-map-gw") {
		t.Errorf("%q", n.Helper)
	}
}
