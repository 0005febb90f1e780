package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/output"
	"github.com/sealift/sealift/image/sandbox"
	"github.com/sealift/sealift/image/tree"
)

// How images come into a container: by FUSE in its user namespace. Where that cannot
// be, they are unpacked: to memory, of which nothing is left by construction, or,
// where they do not fit there, to a private directory. The kernel could mount a
// SquashFS image for real root, but would have to trust it, could not hold it against
// signatures while it is read, and takes a loop device for each start, of which there
// may be none.

// prefix begins the names of directories that images are unpacked to. One that a
// killed process left is removed by the next that unpacks there.
const prefix = ".sealift-unpack"

// Unpacking says what is unpacked, and where to.
type Unpacking struct {
	// All unpacks the volumes too, and not the image alone.
	All bool
	// Room is how many bytes of memory may be taken.
	Room int64
	// TempDir is the directory for what does not fit there. Plain says that the files
	// of encrypted images may lie in it.
	TempDir string
	Plain   bool
	// Told is told what begins: the images, how many bytes their files
	// take, and the directory or nothing for memory.
	Told func(names string, size int64, dir string)
}

// unpacked is an image on its way into a directory.
type unpacked struct {
	file  *image.File
	files *tree.Node
}

// Unpack has images unpacked instead of served. It returns whether the image goes to
// memory, so that the plan has to say so.
func (s *Set) Unpack(ctx context.Context, u Unpacking) (inMemory bool, err error) {
	all, size := s.squashed(u.All), int64(0)
	for _, x := range all {
		if x.files, err = x.file.Tree(ctx, sandbox.ReadOptions{}); err != nil {
			return false, fmt.Errorf("unpack %s: %w", x.file.Path(), err)
		}
		size += sandbox.Room(x.files)
	}
	switch {
	case len(all) == 0:
		return false, nil
	case size <= u.Room:
		u.Told(names(all), size, "")
		s.toMemory(all)
		return s.trees[s.Image] != nil, nil
	}
	for _, x := range all {
		if x.file.Encrypted() && !u.Plain {
			return false, hint.New(fmt.Sprintf("%s is encrypted, too large for memory, and its files would lie in %s as they are", x.file.Path(), u.TempDir),
				"name a directory with --tmpdir where they may lie meanwhile, or have /dev/fuse made usable")
		}
	}
	u.Told(names(all), size, u.TempDir)
	return false, s.toDirectory(ctx, u.TempDir, size, all)
}

// squashed lists the image and, if wanted, the volumes that image servers would show.
func (s *Set) squashed(volumes bool) (list []*unpacked) {
	if s.Image.Squash() != nil {
		list = append(list, &unpacked{file: s.Image})
	}
	for _, v := range s.volumes {
		if volumes && v.File != nil && v.File.Squash() != nil {
			list = append(list, &unpacked{file: v.File})
		}
	}
	return list
}

func names(all []*unpacked) string {
	var list []string
	for _, u := range all {
		list = append(list, u.file.Info().Title(filepath.Clean))
	}
	return strings.Join(list, ", ")
}

// toMemory has the files written to the container's own memory when it starts.
func (s *Set) toMemory(all []*unpacked) {
	s.trees = map[*image.File]*tree.Node{}
	for _, u := range all {
		s.trees[u.file] = u.files
	}
	for _, v := range s.volumes {
		v.Unpack = s.trees[v.File] != nil
	}
}

// toDirectory unpacks to a private directory in parent, which Close removes.
func (s *Set) toDirectory(ctx context.Context, parent string, size int64, all []*unpacked) error {
	if err := output.Sweep(parent, prefix); err != nil {
		return err
	}
	if free, ok := free(parent); ok && free < size {
		return hint.New(fmt.Sprintf("unpacking takes %d MiB, and there are %d in %s", size>>20, free>>20, parent),
			"name another directory with --tmpdir, or have /dev/fuse made usable: the fuse module loaded, and mode 0666")
	}
	var err error
	if s.temp, err = output.TempDir(parent, prefix); err != nil {
		return err
	}
	for i, u := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(s.temp.Path(), strconv.Itoa(i))
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		dir, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(write(ctx, u.files, dir, u.file), dir.Close()); err != nil {
			return err
		}
		s.replace(u.file, path)
	}
	return nil
}

// free returns how many bytes there is room for in a directory, if that is known.
func free(dir string) (bytes int64, ok bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0, false
	}
	return int64(st.Bavail) * st.Bsize, true
}

// write writes files of an image. What is lost of them must not change their meaning.
func write(ctx context.Context, files *tree.Node, dir *os.File, img *image.File) error {
	report, err := sandbox.WriteTree(ctx, files, dir, sandbox.WriteOptions{})
	if err = errors.Join(err, img.Err()); err == nil && report.Xattrs > 0 && hasOpaque(files) {
		err = errors.New("its marks of directories that hide others cannot be written there")
	}
	if err == nil {
		return nil
	}
	return hint.Wrap(fmt.Errorf("unpack %s: %w", img.Info().Title(filepath.Clean), err),
		"make a directory of it where there is room, and use that: sealift build --sandbox")
}

func hasOpaque(files *tree.Node) bool {
	for _, n := range files.Walk() {
		for _, x := range n.Xattrs {
			if x.Name == "user.overlay.opaque" {
				return true
			}
		}
	}
	return false
}

// replace has the container use a directory in the place of an image.
func (s *Set) replace(img *image.File, dir string) {
	info := img.Info()
	info.Name = info.Title(filepath.Clean)
	info.Kind, info.Path = image.Sandbox, dir
	if img == s.Image {
		s.Info = info
	}
	for _, v := range s.volumes {
		if v.File == img {
			v.Info = info
		}
	}
}
