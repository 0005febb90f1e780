package caches

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/cache"
)

// everything is the type of all entries.
const everything = "all"

// kinds are our own types: the kinds of entries.
var kinds = []string{"sif", "file", "document", "layer", "digest", "tree", "verdict", machinesKind}

// sources are Apptainer's types of images, by the transports that they come
// through.
var sources = map[string][]string{
	"library": {"library"},
	"oci-tmp": {"docker", "docker-archive", "docker-daemon", "oci", "oci-archive"},
	"oci":     {"docker", "docker-archive", "docker-daemon", "oci", "oci-archive"}, // so Apptainer's help calls it
	"shub":    {"shub"},
	"oras":    {"oras"},
	"net":     {"http", "https"},
	"ipfs":    {"ipfs"},
	"blob":    nil, // what there is of an image that is not its files
}

// ofTypes returns what says whether an entry is of one of these types. No types
// are all.
func ofTypes(types []string) (func(cache.Info) bool, error) {
	for i, t := range types {
		types[i] = strings.TrimSpace(t)
		if !slices.Contains(known(), types[i]) {
			return nil, hint.New(fmt.Sprintf("unknown type %q of cache entries", t), "the types are %s", strings.Join(known(), ", "))
		}
	}
	return func(i cache.Info) bool {
		return len(types) == 0 || slices.ContainsFunc(types, func(t string) bool { return isOf(i, t) })
	}, nil
}

// known returns all types.
func known() []string {
	list := append([]string{everything}, kinds...)
	for t := range sources {
		list = append(list, t)
	}
	slices.Sort(list)
	return list
}

// isOf says whether an entry is of a type. What Apptainer calls a blob may be a
// manifest. The description of an image begins with where it comes from.
func isOf(i cache.Info, t string) bool {
	transport, _, _ := strings.Cut(i.Description, ":")
	return t == everything || t == i.Kind || t == "blob" && i.Kind == "document" ||
		(i.Kind == "sif" || i.Kind == "file") && slices.Contains(sources[t], transport)
}

// byUse returns the entries, the last used first.
func byUse(list []cache.Info) []cache.Info {
	return slices.SortedStableFunc(slices.Values(list), func(a, b cache.Info) int { return b.Used.Compare(a.Used) })
}
