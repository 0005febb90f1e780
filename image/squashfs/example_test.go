package squashfs_test

import (
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"sync"

	"github.com/sealift/sealift/image/squashfs"
)

// open opens the image in a file, for the examples.
func open(name string) (*squashfs.Reader, *os.File) {
	f, err := os.Open(name)
	if err != nil {
		log.Fatal(err)
	}
	st, err := f.Stat()
	if err != nil {
		log.Fatal(err)
	}
	r, err := squashfs.Open(f, st.Size(), squashfs.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return r, f
}

// An image is an fs.FS, so whatever takes one can look into it.
func ExampleOpen() {
	f, err := os.Open("testdata/zstd.sqfs")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		log.Fatal(err)
	}
	r, err := squashfs.Open(f, st.Size(), squashfs.Options{})
	if err != nil {
		log.Fatal(err)
	}
	err = fs.WalkDir(r.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		owner := info.Sys().(*squashfs.Inode)
		fmt.Println(info.Mode(), owner.UID, owner.GID, info.Size(), path)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// drwxr-xr-x 0 0 122 .
	// Lrwxrwxrwx 0 0 15 abs
	// -rw-r--r-- 0 0 8292 big
	// Dcrw-rw-rw- 0 0 0 dev
	// drwxr-xr-x 0 0 64 dir
	// -rw-r--r-- 0 0 4 dir/CCCC1
	// -rw-r--r-- 0 0 4 dir/CCCC2
	// drwxr-xr-x 0 0 3 dir/sub
	// drwxr-xr-x 0 0 27 dir/sub2
	// -rw-r--r-- 0 0 5 dir/sub2/leaf
	// prw-r--r-- 0 0 0 fifo
	// -rw-r--r-- 0 0 8292 hard
	// Lrwxrwxrwx 0 0 9 link
	// urwxr-xr-x 1000 70000 6 owned
	// -rw-r--r-- 0 0 8196 sparse
}

// An open file is read at any offset, by any number of goroutines at a time.
// What is not read is not decompressed.
func ExampleFS_Open() {
	r, image := open("testdata/huge.sqfs")
	defer image.Close()
	f, err := r.FS().Open("huge")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	offsets := []int64{0, 1 << 30, 4<<30 + 77}
	words := make([]string, len(offsets))
	var wait sync.WaitGroup
	for i, offset := range offsets {
		wait.Go(func() {
			b := make([]byte, 4)
			if _, err := f.(io.ReaderAt).ReadAt(b, offset); err != nil {
				log.Print(err)
			}
			words[i] = string(b)
		})
	}
	wait.Wait()
	fmt.Println(words)
	// Output: [mark mark mark]
}

// Below the FS lie inodes, which a file server names by their references.
func ExampleReader() {
	r, image := open("testdata/xz.sqfs")
	defer image.Close()
	root, err := r.Inode(r.Root())
	if err != nil {
		log.Fatal(err)
	}
	dir, err := r.Child(root, "dir")
	if err != nil {
		log.Fatal(err)
	}
	entries, err := r.ReadDir(dir)
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range entries {
		ino, err := r.Inode(e.Ref)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: inode %d, mode %#o, %d links\n", e.Name, ino.Number, ino.Mode, ino.Nlink)
	}
	// Output:
	// CCCC1: inode 5, mode 0100644, 1 links
	// CCCC2: inode 6, mode 0100644, 1 links
	// sub: inode 7, mode 040755, 2 links
	// sub2: inode 8, mode 040755, 2 links
}
