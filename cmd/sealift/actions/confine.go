package actions

import (
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/spec"
)

func networkFlags(flags *pflag.FlagSet, r *spec.Request) {
	flags.BoolVarP(&r.Net, "net", "n", false, "own network, connected by pasta or slirp4netns")
	ui.Bind(flags, "net", "NET", "UNSHARE_NET")
	flags.StringVar(&r.Network, "network", "", "own network of a `kind`: none, auto, pasta or slirp4netns (implies --net)")
	ui.Bind(flags, "network", "NETWORK")
	flags.StringSliceVar(&r.NetworkArgs, "network-args", nil, "forward `ports` of the host: portmap=HOST:CONTAINER[/udp] (implies --net)")
	ui.Bind(flags, "network-args", "NETWORK_ARGS")
	flags.StringVar(&r.NetnsPath, "netns-path", "", "be in the network namespace of this `file`, as root")
	ui.Bind(flags, "netns-path", "NETNS_PATH")
	flags.StringSliceVar(&r.DNS, "dns", nil, "`addresses` of name servers, comma separated")
	ui.Bind(flags, "dns", "DNS")
	flags.StringVar(&r.Hostname, "hostname", "", "host `name` inside the container (implies --uts)")
	ui.Bind(flags, "hostname", "HOSTNAME")
}

func securityFlags(flags *pflag.FlagSet, r *spec.Request) {
	flags.StringArrayVar(&r.Security, "security", nil, "confine the payload: `option` seccomp:FILE, apparmor:PROFILE, selinux:CONTEXT, uid:N, gid:N[:N...]")
	ui.Bind(flags, "security", "SECURITY")
	flags.StringVar(&r.AddCaps, "add-caps", "", "`capabilities` to have inside, comma separated, or all")
	ui.Bind(flags, "add-caps", "ADD_CAPS")
	flags.StringVar(&r.DropCaps, "drop-caps", "", "`capabilities` not to have inside, comma separated, or all")
	ui.Bind(flags, "drop-caps", "DROP_CAPS")
	flags.BoolVar(&r.KeepPrivs, "keep-privs", false, "keep root's capabilities (root only; the default)")
	ui.Bind(flags, "keep-privs", "KEEP_PRIVS")
	flags.BoolVar(&r.NoPrivs, "no-privs", false, "take all capabilities from root")
	ui.Bind(flags, "no-privs", "NO_PRIVS")
	flags.BoolVar(&r.AllowSetuid, "allow-setuid", false, "have set-user-ID programs of the image work (root only)")
	ui.Bind(flags, "allow-setuid", "ALLOW_SETUID")
}
