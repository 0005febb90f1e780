package steps

import (
	"fmt"
	"strings"
)

// Run runs a program in the stage.
type Run struct {
	Command
	// File, unless nil, is there with mode 0755 while the program runs, which
	// is that file: a here-document that begins with #!.
	File *File
	// Mounts are there while the program runs. If the options of one hold a
	// variable, all have only From and Options until the step is expanded.
	Mounts []Mount
	// Network is default, none or host.
	Network string
}

// File is a file that the Dockerfile holds, at an absolute path.
type File struct{ Path, Data string }

// Mount is one --mount of a RUN.
type Mount struct {
	// Options are as written.
	Options string
	// Type is bind, cache, tmpfs or secret.
	Type string
	// From and Source are what a bind mount shows, and what a new cache
	// holds: a path from the root of From.
	From   Origin
	Source string
	// Target is where, absolute after State.Next. It is empty for a secret
	// that is only a variable.
	Target string
	// ReadOnly is set for a mount without writing. What is written to a bind
	// mount is lost after the step.
	ReadOnly bool
	// ID names the cache or the secret, Sharing is what a second user of the
	// cache gets: shared, private (another cache) or locked (a wait).
	ID, Sharing string
	// Size bounds a tmpfs, in bytes; 0 leaves it to the system.
	Size int64
	// Env, unless empty, is the variable that holds the secret.
	Env string
	// Required makes a missing secret an error.
	Required bool
	// Mode, UID and GID are those of a new cache's root or of a secret's file.
	Mode, UID, GID uint32
}

// String returns the command and, a line each, its mounts.
func (r Run) String() string {
	var b strings.Builder
	b.WriteString("run " + r.Command.String())
	if r.Network != "default" {
		b.WriteString(" network " + r.Network)
	}
	if r.File != nil {
		fmt.Fprintf(&b, "\n    file %q holding %q", r.File.Path, r.File.Data)
	}
	for _, m := range r.Mounts {
		b.WriteString("\n    " + m.String())
	}
	return b.String()
}

// String returns the mount on one line.
func (m Mount) String() string {
	access := "rw"
	if m.ReadOnly {
		access = "ro"
	}
	switch m.Type {
	case "":
		return fmt.Sprintf("mount from %s: expand(%q)", m.From, m.Options)
	case "tmpfs":
		return fmt.Sprintf("mount tmpfs at %q %s size %d", m.Target, access, m.Size)
	case "secret":
		return fmt.Sprintf("mount secret %q at %q variable %q required %t mode %04o owner %d:%d",
			m.ID, m.Target, m.Env, m.Required, m.Mode, m.UID, m.GID)
	case "cache":
		return fmt.Sprintf("mount cache %q of %s %q at %q %s %s mode %04o owner %d:%d",
			m.ID, m.From, m.Source, m.Target, access, m.Sharing, m.Mode, m.UID, m.GID)
	}
	return fmt.Sprintf("mount bind of %s %q at %q %s", m.From, m.Source, m.Target, access)
}
