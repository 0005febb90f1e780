package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/image/tree"
)

const capability = "security.capability"

// procPath names a file by an open directory, or an open file when name is
// empty. The calls that take no O_PATH descriptor and no directory descriptor
// get at it that way (proc_pid_fd(5)).
func procPath(fd int, name string) string {
	if name == "" {
		return fmt.Sprintf("/proc/self/fd/%d", fd)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", fd, name)
}

// attributes reads the extended attributes of a file into n.
func (r *treeReader) attributes(n *tree.Node, dir int, name, path string) error {
	file := procPath(dir, name)
	names, err := listAttributes(file)
	if err != nil {
		return fail("listxattr", path, err)
	}
	for _, attr := range names {
		key, overlay := overlayKey(attr)
		if !kept(attr) || overlay && !r.opts.Overlay {
			continue
		}
		value, err := r.attribute(file, attr, dir, name)
		if err == unix.ENODATA {
			continue // removed since, or not for our eyes
		}
		if err == nil && overlay {
			err = applyOverlay(n, key, string(value))
		} else if err == nil {
			n.Xattrs = append(n.Xattrs, tree.Xattr{Name: attr, Value: r.rootless(attr, value)})
		}
		if err != nil {
			return fail("getxattr "+attr, path, err)
		}
	}
	slices.SortFunc(n.Xattrs, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// kept tells which attributes belong to an image. SquashFS stores no others
// than these three classes, and labels of the host's security modules mean
// nothing elsewhere.
func kept(attr string) bool {
	return strings.HasPrefix(attr, "user.") || strings.HasPrefix(attr, "trusted.") || attr == capability
}

// overlayKey returns what follows the prefix of overlayfs's own attributes.
func overlayKey(attr string) (key string, ok bool) {
	for _, prefix := range [...]string{"user.overlay.", "trusted.overlay."} {
		if key, ok = strings.CutPrefix(attr, prefix); ok {
			return key, true
		}
	}
	return "", false
}

// applyOverlay translates an attribute of overlayfs. Those that only speed up
// the overlay are dropped; those that put a file's name or data elsewhere
// cannot be followed here.
func applyOverlay(n *tree.Node, key, value string) error {
	switch {
	case key == "opaque" && value == "y":
		n.Opaque = true
	case key == "whiteout":
		n.Mode = tree.TypeChar
	case key == "redirect" || key == "metacopy":
		return errors.New("the overlay was mounted with redirect_dir or metacopy")
	}
	return nil
}

// rootless turns file capabilities that a user namespace's root gave into
// those that the initial one would have given: revision 3 of the attribute
// (capabilities(7)) names the namespace's root, which is no one in the image.
func (r *treeReader) rootless(attr string, value []byte) []byte {
	const revision2, revision3, mask = 0x02000000, 0x03000000, 0xff000000
	le := binary.LittleEndian
	if attr != capability || len(value) != 24 || le.Uint32(value)&mask != revision3 {
		return value
	}
	root := le.Uint32(value[20:])
	if r.opts.IDs != nil {
		root, _ = r.opts.IDs(root, 0)
	}
	if root != 0 {
		return value
	}
	v2 := slices.Clone(value[:20])
	le.PutUint32(v2, le.Uint32(v2)&^uint32(mask)|revision2)
	return v2
}

// listAttributes returns the names, or none where the file system has no such
// thing.
func listAttributes(file string) ([]string, error) {
	list, err := sized(func(b []byte) (int, error) { return unix.Llistxattr(file, b) })
	if err == unix.ENOTSUP || len(list) == 0 {
		return nil, nilIf(err, unix.ENOTSUP)
	}
	return strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00"), err
}

// attribute reads one value. Attributes of users need read permission on the
// file.
func (r *treeReader) attribute(file, attr string, dir int, name string) ([]byte, error) {
	get := func() ([]byte, error) {
		return sized(func(b []byte) (int, error) { return unix.Lgetxattr(file, attr, b) })
	}
	value, err := get()
	if err != unix.EACCES || !r.opts.Unlock {
		return value, err
	}
	fd, err := openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(addOwnerMode(fd), unix.Close(fd)); err != nil {
		return nil, err
	}
	return get()
}

// sized calls get with no room, to learn the length, and then with that much,
// until the length stands still.
func sized(get func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := get(nil)
		if n <= 0 || err != nil {
			return nil, err
		}
		b := make([]byte, n) // the kernel's limit is 64 KiB
		n, err = get(b)
		if err != unix.ERANGE {
			return b[:max(n, 0)], err
		}
	}
}

func nilIf(err, harmless error) error {
	if err == harmless {
		return nil
	}
	return err
}

// Attribute returns the value of an extended attribute of what name is itself, and
// whether it has it. What cannot be read is not there.
func (d *DirFS) Attribute(name, attr string) (value string, found bool) {
	f, err := d.open("getxattr", name, unix.O_PATH, noFinal)
	if err != nil {
		return "", false
	}
	defer f.Close()
	b, err := sized(func(b []byte) (int, error) { return unix.Getxattr(procPath(int(f.Fd()), ""), attr, b) })
	return string(b), err == nil
}
