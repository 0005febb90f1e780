package imagefs

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// posixChecks are made in an agent. root is where the image is mounted, and
// source what it was made from.
var posixChecks = map[string]func(root, source string) error{
	"stat": checkStat, "statfs": checkStatfs, "readlink": checkReadlink, "reads": checkReads,
	"directory offsets": checkDirOffsets, "holes": checkHoles, "copy_file_range": checkCopyRange, "execute": checkExecute,
}

// checkStat looks at what walks leave out: inode numbers, blocks, and that all
// calls that describe a file agree.
func checkStat(root, _ string) error {
	inodes, top := map[uint64]string{}, unix.Stat_t{}
	if err := unix.Lstat(root, &top); err != nil {
		return err
	}
	for name, want := range map[string]struct {
		kind   uint32
		blocks int64
		rdev   uint64
	}{
		"dir": {kind: unix.S_IFDIR}, "link": {kind: unix.S_IFLNK}, "fifo": {kind: unix.S_IFIFO},
		"socket": {kind: unix.S_IFSOCK}, "dev/null": {kind: unix.S_IFCHR, rdev: unix.Mkdev(1, 3)},
		"dev/loop0": {kind: unix.S_IFBLK, rdev: unix.Mkdev(7, 0)}, "dev/large": {kind: unix.S_IFCHR, rdev: unix.Mkdev(300, 70000)},
		"empty": {kind: unix.S_IFREG}, "one": {kind: unix.S_IFREG, blocks: 1}, "linked": {kind: unix.S_IFREG, blocks: 1},
		"page": {kind: unix.S_IFREG, blocks: 8}, "noise": {kind: unix.S_IFREG, blocks: 586},
	} {
		path := filepath.Join(root, name)
		st, err := statAll(path)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if st.Mode&unix.S_IFMT != want.kind || st.Rdev != want.rdev || st.Blocks != want.blocks && want.kind == unix.S_IFREG {
			return fmt.Errorf("%s: %+v, want %+v", name, st, want)
		}
		if st.Dev != top.Dev || st.Ino == 0 {
			return fmt.Errorf("%s: device %d, inode %d; the root's device is %d", name, st.Dev, st.Ino, top.Dev)
		}
		if other := inodes[st.Ino]; other != "" && other+name != "onelinked" && other+name != "linkedone" {
			return fmt.Errorf("%s and %s are both inode %d", name, other, st.Ino)
		}
		inodes[st.Ino] = name
	}
	if len(inodes) != 11 {
		return errors.New("the hard link is an inode of its own")
	}
	return nil
}

// statAll returns what lstat(2), fstat(2) and statx(2) agree on.
func statAll(path string) (unix.Stat_t, error) {
	var st, opened unix.Stat_t
	var sx unix.Statx_t
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return st, err
	}
	defer unix.Close(fd)
	err = errors.Join(unix.Lstat(path, &st), unix.Fstat(fd, &opened),
		unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, &sx))
	if err == nil && (st != opened || sx.Ino != st.Ino || sx.Size != uint64(st.Size) || uint64(sx.Nlink) != uint64(st.Nlink) ||
		sx.Blocks != uint64(st.Blocks) || sx.Mtime.Sec != st.Mtim.Sec || uint32(sx.Mode) != st.Mode) {
		err = fmt.Errorf("lstat %+v, fstat %+v, statx %+v", st, opened, sx)
	}
	return st, err
}

// checkStatfs asks by path and by descriptor.
func checkStatfs(root, _ string) error {
	var byPath, byFD unix.Statfs_t
	err := reading("dir", func(fd int) error {
		return errors.Join(unix.Statfs(filepath.Join(root, "one"), &byPath), unix.Fstatfs(fd, &byFD))
	})(root)
	if err == nil && (byPath != byFD || byPath.Flags&unix.ST_RDONLY == 0 || byPath.Bavail+byPath.Ffree != 0) {
		err = fmt.Errorf("by path %+v, by descriptor %+v", byPath, byFD)
	}
	return err
}

// checkReadlink reads links into buffers that are too short, just enough, and
// longer.
func checkReadlink(root, source string) error {
	for _, name := range []string{"link", "loop", "dangling", "longlink"} {
		path := filepath.Join(root, name)
		text, err := os.Readlink(filepath.Join(source, name))
		if err != nil {
			return err
		}
		for _, size := range []int{1, len(text) - 1, len(text), len(text) + 1, 8192} {
			b := make([]byte, size)
			n, err := unix.Readlink(path, b)
			if err != nil || n != min(size, len(text)) || string(b[:n]) != text[:n] {
				return fmt.Errorf("%s into %d bytes: %d of %d, %v", name, size, n, len(text), err)
			}
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil || st.Size != int64(len(text)) {
			return fmt.Errorf("%s: size %d, want %d, %v", name, st.Size, len(text), err)
		}
	}
	return nil
}

// checkReads reads files in all ways around the borders of pages and blocks,
// at the end, and far behind it.
func checkReads(root, source string) error {
	for _, name := range []string{"empty", "one", "page", "noise", "text", "holes"} {
		content, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return err
		}
		for _, direct := range []int{0, unix.O_DIRECT} {
			fd, err := unix.Open(filepath.Join(root, name), unix.O_RDONLY|unix.O_CLOEXEC|direct, 0)
			if err != nil {
				return fmt.Errorf("%s with flags %#x: %w", name, direct, err)
			}
			err = checkRanges(fd, content)
			unix.Close(fd)
			if err != nil {
				return fmt.Errorf("%s with flags %#x: %w", name, direct, err)
			}
		}
	}
	return nil
}

func checkRanges(fd int, content []byte) error {
	size := int64(len(content))
	for _, off := range []int64{
		0, 1, 4095, 4097, 128<<10 - 1, 128 << 10, 1<<20 + 99, size - 1, size, size + 1, size + 4096, 1 << 40, 1<<62 + 3,
	} {
		if off < 0 {
			continue
		}
		for _, n := range []int{0, 1, 4095, 4097, 200_001} {
			for _, name := range slices.Sorted(maps.Keys(ways)) {
				if err := checkRead(ways[name], fd, content, off, n); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	return nil
}

// listFD returns the names from a directory's position on, got in pieces.
func listFD(fd, size int) (all []dirent64, err error) {
	for {
		entries, err := getdents(fd, size)
		if err != nil || len(entries) == 0 {
			return all, err
		}
		all = append(all, entries...)
	}
}

// checkDirOffsets goes to the positions of entries in an odd order, between two
// entries of a buffer, back to the start, and behind the end.
func checkDirOffsets(root, _ string) error {
	return reading("dir", func(fd int) error {
		all, err := listFD(fd, 1<<20)
		if err != nil || len(all) != 503 {
			return fmt.Errorf("%d entries, %v", len(all), err)
		}
		for i := range all {
			k := (i * 211) % len(all)
			size := 300 + i*53%3000
			if _, err := unix.Seek(fd, all[k].off, 0); err != nil {
				return err
			}
			if at, err := unix.Seek(fd, 0, 1); err != nil || at != all[k].off {
				return fmt.Errorf("at %d after seeking to %d, %v", at, all[k].off, err)
			}
			got, err := getdents(fd, size)
			if rest := all[k+1:]; err != nil || len(got) > len(rest) || len(got) == 0 && len(rest) > 0 || !slices.Equal(got, rest[:len(got)]) {
				return fmt.Errorf("%d bytes after entry %d: %v, %v", size, k, got, err)
			}
		}
		if _, err := unix.Seek(fd, all[len(all)-1].off+1000, 0); err != nil {
			return err
		}
		if got, err := getdents(fd, 4096); err != nil || len(got) > 0 {
			return fmt.Errorf("behind the end: %v, %v", got, err)
		}
		if _, err := unix.Seek(fd, 0, 0); err != nil {
			return err
		}
		again, err := listFD(fd, 333)
		if err != nil || !slices.Equal(again, all) {
			return fmt.Errorf("rewound: %d entries, %v", len(again), err)
		}
		return nil
	})(root)
}

// checkHoles: what SEEK_DATA and SEEK_HOLE leave out as holes is zero, and they
// lead to the end of the file.
func checkHoles(root, source string) error {
	content, err := os.ReadFile(filepath.Join(source, "holes"))
	if err != nil {
		return err
	}
	return reading("holes", func(fd int) error {
		size := int64(len(content))
		for at := int64(0); at < size; {
			data, err := unix.Seek(fd, at, unix.SEEK_DATA)
			if err == unix.ENXIO { // only holes follow
				data = size
			} else if err != nil {
				return fmt.Errorf("SEEK_DATA from %d: %w", at, err)
			}
			if data < at || len(bytes.Trim(content[at:data], "\x00")) > 0 {
				return fmt.Errorf("SEEK_DATA leads from %d to %d", at, data)
			}
			if data == size {
				break
			}
			if at, err = unix.Seek(fd, data, unix.SEEK_HOLE); err != nil || at <= data || at > size {
				return fmt.Errorf("SEEK_HOLE leads from %d to %d of %d, %v", data, at, size, err)
			}
		}
		for _, whence := range []int{unix.SEEK_DATA, unix.SEEK_HOLE} {
			if at, err := unix.Seek(fd, size, whence); err != unix.ENXIO {
				return fmt.Errorf("from the end to %d, %v", at, err)
			}
		}
		return nil
	})(root)
}

// checkCopyRange: copying to another file system either works or is refused
// with the error that has cp(1) copy by hand.
func checkCopyRange(root, source string) error {
	content, err := os.ReadFile(filepath.Join(source, "noise"))
	if err != nil {
		return err
	}
	return reading("noise", func(fd int) error {
		to, err := unix.MemfdCreate("copy", unix.MFD_CLOEXEC)
		if err != nil {
			return err
		}
		defer unix.Close(to)
		off := int64(4097)
		n, err := unix.CopyFileRange(fd, &off, to, nil, 100_000, 0)
		if err == unix.EXDEV {
			return nil
		}
		if err != nil {
			return err
		}
		return checkRead(pread, to, content[4097:4097+n], 0, n)
	})(root)
}

// checkExecute runs this program as the image holds it.
func checkExecute(root, _ string) error {
	cmd := exec.Command(filepath.Join(root, "program"), "-test.run=^$")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, agentEnv+"=") })
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS") {
		return fmt.Errorf("%v: %q", err, out)
	}
	return nil
}
