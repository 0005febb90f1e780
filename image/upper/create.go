// Package upper makes what is laid over images: directories and ext3 images that
// keep changes, and SquashFS images of such changes.
//
// Input: names and sizes, or a directory that a container wrote its changes to.
// Output: a new directory, there whole or not at all, or the bytes of a file that
// the caller names and publishes. It lays nothing over anything, and knows no SIF.
package upper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/output"
)

// Names of the directories that an overlay consists of, as overlayfs has them and
// the peers name them in ext3 images.
const (
	upperName = "upper"
	workName  = "work"
)

// Create makes the directory at path an overlay without changes but for these
// directories, which the container will have; their names may start with a slash.
func Create(path string, dirs []string) error {
	out, err := output.CreateDir(path, output.DirOptions{})
	if err != nil {
		return err
	}
	if err := layOut(out.Path(), dirs); err != nil {
		return errors.Join(output.Explain(err, filepath.Dir(path)), out.Abort())
	}
	return out.Commit()
}

// layOut makes the directories of an overlay in the directory root, and opens that to
// all.
func layOut(root string, dirs []string) error {
	names := []string{upperName, workName}
	for _, dir := range dirs {
		name := strings.TrimLeft(dir, "/")
		if name == "" || !filepath.IsLocal(name) {
			return hint.New(fmt.Sprintf("%q is no directory of a container", dir), "name one as the container is to have it: /opt/data")
		}
		names = append(names, filepath.Join(upperName, name))
	}
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			return err
		}
	}
	// Whatever the umask, as the mode of upper becomes that of the container's root.
	for _, name := range []string{root, filepath.Join(root, upperName)} {
		dir, err := os.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(dir.Chmod(0o755), dir.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Ext3 says what an ext3 image is to be.
type Ext3 struct {
	// Mke2fs is the path of mke2fs(8).
	Mke2fs string
	// Size is in bytes, of which nothing is reserved where Sparse is set.
	Size   int64
	Sparse bool
	// Dirs are those of Create.
	Dirs []string
	// Temp is a directory for temporary files.
	Temp string
}

const tempPrefix = "sealift-overlay-"

// Write makes f, which must be empty, an image that the peers write changes to:
// ext3, with the directories upper and work, which belong to the caller.
func (e Ext3) Write(ctx context.Context, f *os.File) (err error) {
	_ = output.Sweep(e.Temp, tempPrefix) // what cannot be removed is no reason not to begin
	temp, err := output.TempDir(e.Temp, tempPrefix)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, temp.Remove()) }()
	if err := layOut(temp.Path(), e.Dirs); err != nil {
		return err
	}
	if err := f.Truncate(e.Size); err != nil {
		return err
	}
	if !e.Sparse {
		// Not every file system can reserve space; the image grows there.
		if err := unix.Fallocate(int(f.Fd()), 0, 0, e.Size); err != nil && err != unix.EOPNOTSUPP {
			return &os.PathError{Op: "reserve space for", Path: f.Name(), Err: err}
		}
	}
	cmd := exec.CommandContext(ctx, e.Mke2fs, "-q", "-F", "-t", "ext3", "-E", "nodiscard", "-d", temp.Path(), "/dev/fd/3")
	cmd.Env, cmd.ExtraFiles = []string{"LC_ALL=C"}, []*os.File{f}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", e.Mke2fs, errors.Join(context.Cause(ctx), err), bytes.TrimSpace(out))
	}
	return nil
}
