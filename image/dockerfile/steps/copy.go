package steps

import (
	"fmt"
	"strings"
)

// Copy puts files into the stage: COPY and ADD.
type Copy struct {
	// Add is set for ADD.
	Add bool
	// From holds the sources that are paths.
	From    Origin
	Sources []Source
	// Dest is a path, absolute after State.Next. With several sources or a
	// slash at its end it is a directory, into which each source goes.
	Dest string
	// Chown is USER[:GROUP] by name or number, empty for 0:0. Chmod is an
	// octal mode or, as in chmod(1), a symbolic one.
	Chown, Chmod string
	// Link is set when what Dest leads to in the stage must not matter.
	Link bool
	// Parents keeps the directories of each source's path, those before "/./"
	// left out.
	Parents bool
	// Exclude are patterns of what to leave out, as in .dockerignore.
	Exclude []string
	// Checksum, unless empty, is what the one URL must have: algorithm:hex.
	Checksum string
}

// Source is one thing to copy; one of Path, URL and Name is set.
type Source struct {
	// Path is in the Copy's origin, from its root. It may hold wildcards as of
	// path/filepath's Match. Of a directory, what is in it is copied.
	Path string
	// URL has the scheme http or https.
	URL string
	// Name is that of a file of mode 0644 that the Dockerfile itself holds, in Data.
	Name, Data string
	// Unpack is set when an archive is unpacked instead: tar, also compressed.
	Unpack bool
}

// String returns the copy on one line.
func (c Copy) String() string {
	var b strings.Builder
	b.WriteString("copy")
	if c.Add {
		b.Reset()
		b.WriteString("add")
	}
	fmt.Fprintf(&b, " from %s:", c.From)
	for _, s := range c.Sources {
		switch {
		case s.URL != "":
			fmt.Fprintf(&b, " url %q", s.URL)
		case s.Name != "":
			fmt.Fprintf(&b, " file %q holding %q", s.Name, s.Data)
		default:
			fmt.Fprintf(&b, " %q", s.Path)
		}
		if s.Unpack {
			b.WriteString(" (unpacked)")
		}
	}
	fmt.Fprintf(&b, " to %q", c.Dest)
	for _, option := range []Pair{{"chown", c.Chown}, {"chmod", c.Chmod}, {"checksum", c.Checksum}} {
		if option.Value != "" {
			fmt.Fprintf(&b, " %s %s", option.Name, option.Value)
		}
	}
	for _, pattern := range c.Exclude {
		fmt.Fprintf(&b, " exclude %q", pattern)
	}
	if c.Link {
		b.WriteString(" link")
	}
	if c.Parents {
		b.WriteString(" parents")
	}
	return b.String()
}
