package environ

import (
	"slices"
	"strconv"
	"strings"
)

// KeptFDs lists the descriptors that a launcher of MPI processes has named in
// a variable such as PMI_FD; without them the ranks do not find each other.
func KeptFDs(environ []string) []int {
	var fds []int
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "PMI") || !strings.HasSuffix(name, "FD") {
			continue
		}
		if fd, err := strconv.ParseUint(value, 10, 31); err == nil && fd > 2 {
			fds = append(fds, int(fd))
		}
	}
	slices.Sort(fds)
	return slices.Compact(fds)
}
