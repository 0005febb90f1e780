package build

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/build/kept"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/crypt"
	"github.com/sealift/sealift/image/elsewhere"
	"github.com/sealift/sealift/image/oci/registry"
)

// Environment is what Run works with.
type Environment struct {
	Host Host
	// Run runs scripts; a recipe without any needs none. Powers says, for the
	// keys of layers, what of the Runner the outcome of a script depends on.
	Run    Runner
	Powers string
	// Open says that the Runner shows scripts what the keys do not tell of:
	// files of the host.
	Open bool
	// Cache, if not nil, keeps layers for other builds.
	Cache *cache.Cache
	// Into, if not nil, is an empty file that gets the image instead of one at
	// Options.Output, which then says where it is for errors and temporary files.
	Into *os.File
	// Get reads a URL of http, https or file. The time is that of the last change,
	// zero where nobody says.
	Get func(ctx context.Context, url string) (io.ReadCloser, time.Time, error)
	// Registry reads from registries, and Daemon is the address of the Docker
	// daemon (oci.Options).
	Registry *registry.Client
	Daemon   string
	// Key returns the key of encrypted images that stages start from
	// (image.Options).
	Key func() (*crypt.Key, error)
	// Gate, if not nil, says which images may be used.
	Gate image.Gate
	// Sign, if not nil, signs the image in a SIF file before that appears. The file's
	// lock and durability are the build's.
	Sign func(ctx context.Context, f *os.File) error
	// Libraries finds container libraries.
	Libraries elsewhere.Libraries
	// Now is the time that the build happens at, to the second. Unless it is Fixed,
	// a reproducible build has the time of the first image that it starts from
	// instead, or 1970 if there is none.
	Now   time.Time
	Fixed bool
	// UID and GID are the caller's: what of an overlay belongs to them is the
	// container's root.
	UID, GID uint32
	// Stdout and Stderr are the scripts'.
	Stdout, Stderr io.Writer
	// Progress, if not nil, is told of each step; Note of what else there is
	// to know, and Warn of each loss.
	Progress   func(Event)
	Note, Warn func(line string)
}

// State is how far a step has come.
type State int

// The states: a step has begun, turned out to have a layer in the cache, has
// ended well.
const (
	Begun State = iota
	Cached
	Done
)

// Event is news of a step.
type Event struct {
	// Number counts the steps from 1; Of is how many there are.
	Number, Of int
	Step       Step
	State      State
	// Bytes is, once it is Done, the size of the layer or image that the step
	// made; 0 where it made none.
	Bytes int64
	// Written returns how many bytes the step has written of it so far. Any
	// goroutine may call it at any time.
	Written func() int64
}

// Notice tells the user of something.
func (e *Environment) Notice(format string, args ...any) {
	if e.Note != nil {
		e.Note(fmt.Sprintf(format, args...))
	}
}

// Warning tells the user of a loss.
func (e *Environment) Warning(format string, args ...any) {
	if e.Warn != nil {
		e.Warn(fmt.Sprintf(format, args...))
	}
}

// Documents returns what keeps documents of registries in the cache, nil
// without one.
func (e *Environment) Documents(ctx context.Context) registry.Documents {
	if e.Cache == nil {
		return nil
	}
	return kept.Documents{Cache: e.Cache, Context: ctx, Warn: e.Warning}
}

// Find finds the image file of a transport and what is behind its colon, for an
// architecture, unless it is denied by its name. Library, unless empty, is the
// address of its library.
func (e *Environment) Find(ctx context.Context, transport, rest, library, arch string) (*elsewhere.File, error) {
	f := elsewhere.Finder{
		Registry: e.Registry, Documents: e.Documents(ctx), Libraries: e.Libraries, Library: library, Arch: arch,
	}
	if e.Gate != nil {
		f.Denied = e.Gate.Denied
	}
	return f.Find(ctx, transport, rest)
}

// Hold decides about an image file of a name, of where it is if that is empty.
func (e *Environment) Hold(ctx context.Context, name string) image.Hold {
	if e.Gate == nil {
		return nil
	}
	return e.Gate.Hold(ctx, name)
}
