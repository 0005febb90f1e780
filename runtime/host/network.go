package host

import "golang.org/x/sys/unix"

// networks fills in what connects a network namespace with the outside.
func (f *Facts) networks() {
	f.Pasta = executable("/usr/bin/pasta", "/usr/local/bin/pasta", "/bin/pasta")
	f.Slirp4netns = executable("/usr/bin/slirp4netns", "/usr/local/bin/slirp4netns", "/bin/slirp4netns")
	f.Tun = device("/dev/net/tun", unix.Mkdev(10, 200)) == nil
}
