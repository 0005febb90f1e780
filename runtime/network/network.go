// Package network decides which network a container has, and which names are
// resolved how in it.
//
// Input: what the user asked for, and facts of the host. Output: a network
// namespace, the program that connects it with the outside, and files of /etc.
// It is pure: it starts nothing, and looks at files only through the facts.
//
// Without privileges a network is one that a program of the user's carries out
// of the namespace: pasta(1) or slirp4netns(1). Networks of CNI plugins need root
// in the namespace of the machine, and are refused.
package network

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/bind"
	"github.com/sealift/sealift/runtime/host"
)

// Wish is what the user asked for.
type Wish struct {
	// Net asks for a network namespace.
	Net bool
	// Name is none, auto, pasta or slirp4netns, and implies Net; empty means auto.
	Name string
	// Args are values of --network-args: portmap=HOST:CONTAINER[/tcp|/udp].
	Args []string
	// Path is the file of a network namespace to enter.
	Path string
	// DNS are addresses of name servers, with commas between them.
	DNS []string
	// Hostname is the container's own, unless empty.
	Hostname string
}

// Network is a container's network. The zero value is the host's.
type Network struct {
	// Own says that the container has a network namespace of its own.
	Own bool
	// Path is the file of the network namespace to enter, or empty.
	Path string
	// Helper is plan.Plan.Helper.
	Helper []string
	// Files are contents of files in /etc, by their names, that are shown instead
	// of the host's.
	Files map[string]string
}

// Names of networks.
const (
	none  = "none"
	auto  = "auto"
	pasta = "pasta"
	slirp = "slirp4netns"
)

// Of decides.
func Of(w Wish, f *host.Facts) (Network, error) {
	name, err := w.name()
	if err != nil {
		return Network{}, err
	}
	n := Network{Own: name != ""}
	switch {
	case w.Path != "" && n.Own:
		return Network{}, hint.New("--netns-path enters a network namespace, and --net, --network or --network-args ask for a new one",
			"leave out one of them")
	case w.Path != "":
		n.Path, err = w.enter(f)
	case name == none && len(w.Args) > 0:
		err = hint.New("--network none has no ports to forward", "leave out --network-args, or choose --network pasta")
	case name != "" && name != none:
		n.Helper, err = w.connect(name, f)
	}
	if err == nil {
		n.Files, err = w.files(&n, f)
	}
	return n, err
}

// name returns the network that is asked for, empty for the host's.
func (w *Wish) name() (string, error) {
	names := strings.FieldsFunc(w.Name, func(r rune) bool { return r == ',' || r == ' ' })
	switch {
	case len(names) > 1:
		return "", hint.New(fmt.Sprintf("--network %s: a container has one network", w.Name), remedyNames)
	case len(names) == 1 && !slices.Contains([]string{none, auto, pasta, slirp}, names[0]):
		return "", hint.New(fmt.Sprintf("--network %s: networks of CNI plugins need root's rights in the host's network, which Sealift does not take", names[0]),
			remedyNames+"; or, as root, make a namespace with ip netns and enter it with --netns-path")
	case len(names) == 1:
		return names[0], nil
	case w.Net || w.Name != "" || len(w.Args) > 0:
		return auto, nil
	}
	return "", nil
}

const remedyNames = "choose none, auto, pasta or slirp4netns"

// enter returns the absolute path of the namespace to enter.
func (w *Wish) enter(f *host.Facts) (string, error) {
	path := bind.Absolute(w.Path, f.Cwd)
	if !f.Admin {
		return "", hint.New(fmt.Sprintf("--netns-path %s: the kernel lets root alone enter another network namespace", path),
			"ask for a network of the container's own with --net, or have root start Sealift with it")
	}
	if _, err := fs.Stat(f.Root, strings.TrimPrefix(path, "/")); err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err // its path lacks the slash
		}
		return "", hint.Wrap(fmt.Errorf("--netns-path %s: %w", path, err), "name the file of a network namespace, such as /run/netns/NAME")
	}
	return path, nil
}
