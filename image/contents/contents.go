// Package contents opens whatever holds a root file system (a SIF or SquashFS
// file, a directory, an OCI layout, or an archive of one or of docker save) and
// shows, selects and copies what is in it alike.
//
// Input: a name as users write it. Output: a Source, which is looked at as a
// file system, listed as Entries, or made into a tree, an image or a directory.
// Nothing is mounted or run. Layers of an OCI image are read as streams: what
// is in them costs a pass over all, and nothing of them is stored unless a
// directory is made of them. Every byte of a source is untrusted, as the
// packages that read them have it; names are shown so that a terminal cannot
// be driven by them.
package contents

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/crypt"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/oci/registry"
)

// FS is the file system of a source. Symbolic links resolve inside it. Names
// have no leading slash, as in io/fs; Name makes them.
type FS interface {
	fs.StatFS
	fs.ReadDirFS
	fs.ReadFileFS
	fs.ReadLinkFS
}

// Options are choices of Open.
type Options struct {
	// Arch is the Go name of the architecture that is wanted of an OCI image.
	Arch string
	// Registry reads from registries; Daemon is the address of the Docker daemon
	// (oci.Options).
	Registry *registry.Client
	Daemon   string
	// Key is image.Options'.
	Key func() (*crypt.Key, error)
	// TempDir receives an unnamed file as large as a compressed archive is
	// decompressed; nothing else is written there.
	TempDir string
}

// Source is an open image of any kind: one of file and oci is set.
type Source struct {
	name     string
	file     *image.File
	oci      *oci.Image
	warnings []string
}

// Open opens what name says: docker://NAME, oci:DIR[:TAG], oci-archive:FILE[:TAG],
// docker-archive:FILE[:NAME:TAG], or the path of anything that a Source can be.
func Open(ctx context.Context, name string, o Options) (*Source, error) {
	ref, isOCI, err := reference(name)
	if err != nil {
		return nil, err
	}
	if isOCI {
		img, err := oci.Open(ctx, ref, oci.Platform{OS: "linux", Arch: o.Arch}, oci.Options{TempDir: o.TempDir, Daemon: o.Daemon, Registry: o.Registry})
		return &Source{name: name, oci: img}, err
	}
	f, err := image.Open(name, image.Options{Key: o.Key})
	if errors.Is(err, fs.ErrNotExist) && strings.Contains(name, ":") {
		err = hint.Wrap(err, "name a SIF or SquashFS file, a directory, oci:DIR, oci-archive:FILE or docker-archive:FILE")
	}
	return &Source{name: name, file: f}, err
}

// Of returns an image that is open as a Source, which ends with it.
func Of(f *image.File) *Source { return &Source{name: f.Path(), file: f} }

// reference tells whether name is an OCI image, and which: by its transport,
// or by what lies at the path.
func reference(name string) (ref oci.Reference, isOCI bool, err error) {
	transport, _, found := strings.Cut(name, ":")
	if found && slices.Contains(oci.Transports(), transport) {
		ref, err = oci.ParseReference(name)
		return ref, true, err
	}
	st, err := os.Stat(name)
	switch {
	case err != nil:
		return ref, false, nil // image.Open says it better
	case st.IsDir():
		_, err := os.Lstat(filepath.Join(name, "oci-layout"))
		return oci.Reference{Transport: oci.Layout, Path: name}, err == nil, nil
	case st.Mode().IsRegular() && isArchive(name):
		return oci.Reference{Transport: oci.AnyArchive, Path: name}, true, nil
	}
	return ref, false, nil
}

// isArchive tells by its start whether a file is a tar archive, or compressed
// as archives are: with gzip (RFC 1952) or zstd (RFC 8878).
func isArchive(name string) bool {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 262)
	n, _ := f.ReadAt(head, 0)
	text := string(head[:n])
	return strings.HasPrefix(text, "\x1f\x8b") || strings.HasPrefix(text, "\x28\xb5\x2f\xfd") ||
		strings.HasSuffix(text, "ustar") && n == len(head)
}

// Arch returns the Go name of the source's architecture, or the empty string
// where it does not say.
func (s *Source) Arch() string {
	if s.oci != nil {
		return s.oci.Config().Architecture
	}
	if a := s.file.Arch(); a != "unknown" {
		return a
	}
	return ""
}

// Warnings returns one line for each kind of loss in what was read last.
func (s *Source) Warnings() []string { return s.warnings }

// Close closes the source. Its file systems and trees end with it.
func (s *Source) Close() error {
	if s.oci != nil {
		return s.oci.Close()
	}
	return s.file.Close()
}

// Name turns a path inside an image, with or without leading slash, into a
// name of an FS. As in a URL, "a/.." is nothing, and ".." at the top the top.
func Name(path string) string {
	if name := filepath.Clean("/" + path)[1:]; name != "" {
		return name
	}
	return "."
}
