package writer_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log"
	"os"
	"strings"

	"github.com/sealift/sealift/image/squashfs"
	"github.com/sealift/sealift/image/squashfs/codec"
	"github.com/sealift/sealift/image/squashfs/format"
	"github.com/sealift/sealift/image/squashfs/writer"
	"github.com/sealift/sealift/image/tree"
)

// temporary makes a file that is gone when it is closed, for the examples.
func temporary() *os.File {
	f, err := os.CreateTemp("", "example")
	if err == nil {
		err = os.Remove(f.Name())
	}
	if err != nil {
		log.Fatal(err)
	}
	return f
}

// reader opens the image in a file, for the examples.
func reader(f *os.File) *squashfs.Reader {
	st, err := f.Stat()
	if err != nil {
		log.Fatal(err)
	}
	r, err := squashfs.Open(f, st.Size(), squashfs.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return r
}

// stored returns the blocks of a file as an image holds them, for the examples.
func stored(r *squashfs.Reader, name string) []byte {
	info, err := r.FS().Stat(name)
	if err != nil {
		log.Fatal(err)
	}
	file := info.Sys().(*squashfs.Inode)
	size := 0
	for _, word := range file.Blocks {
		size += int(word &^ format.BlockUncompressed)
	}
	blocks := make([]byte, size)
	if err := r.Source().ReadFull(blocks, file.Start); err != nil {
		log.Fatal(err)
	}
	return blocks
}

// A tree of nodes becomes an image. The contents of its files are whatever can
// be opened: bytes here, files of the host or of other images elsewhere.
func ExampleWriteFile() {
	root := tree.NewDir(0o755)
	for name, node := range map[string]*tree.Node{
		"etc/motd": {Mode: tree.TypeRegular | 0o644, Content: tree.Bytes("Hello.\n")},
		"motd":     {Mode: tree.TypeSymlink | 0o777, Target: "etc/motd"},
		"tmp":      tree.NewDir(0o1777),
	} {
		if err := root.Insert(name, node); err != nil {
			log.Fatal(err)
		}
	}
	f := temporary()
	defer f.Close()
	o := writer.Options{Codec: codec.Choice{Level: 19}, BlockSize: 1 << 20}
	if err := writer.WriteFile(context.Background(), f, o, writer.Whole(root)); err != nil {
		log.Fatal(err)
	}
	text, err := fs.ReadFile(reader(f).FS(), "motd")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", text)
	// Output: Hello.
}

// A Source may store contents as they come, from a stream that cannot be
// opened again, and say later where they are in the tree. Equal ones are
// stored once.
func ExampleSource() {
	stream := func(w *writer.Writer) (*tree.Node, error) {
		root := tree.NewDir(0o755)
		for i, text := range []string{"first", "second", "first"} {
			content, err := w.Store(strings.NewReader(text), int64(len(text)))
			if err != nil {
				return nil, err
			}
			node := &tree.Node{Mode: tree.TypeRegular | 0o644, Content: content}
			if err := root.Insert(fmt.Sprint("file", i), node); err != nil {
				return nil, err
			}
		}
		return root, nil
	}
	f := temporary()
	defer f.Close()
	if err := writer.WriteFile(context.Background(), f, writer.Options{}, stream); err != nil {
		log.Fatal(err)
	}
	matches, err := fs.Glob(reader(f).FS(), "file*")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(matches)
	// Output: [file0 file1 file2]
}

// An image is changed by writing its tree to another file. Where compressor
// and block size are those of the image, blocks of unchanged files are copied
// as they are, which goes as fast as the disk.
func ExampleWhole() {
	old := temporary()
	defer old.Close()
	root := tree.NewDir(0o755)
	root.Entries["large"] = &tree.Node{Mode: tree.TypeRegular | 0o644, Content: tree.Bytes(strings.Repeat("0123456789", 100_000))}
	root.Entries["version"] = &tree.Node{Mode: tree.TypeRegular | 0o644, Content: tree.Bytes("1\n")}
	if err := writer.WriteFile(context.Background(), old, writer.Options{}, writer.Whole(root)); err != nil {
		log.Fatal(err)
	}

	image := reader(old)
	root, err := image.Tree()
	if err != nil {
		log.Fatal(err)
	}
	version := &tree.Node{Mode: tree.TypeRegular | 0o644, Content: tree.Bytes("2\n")}
	if err := root.Insert("version", version); err != nil {
		log.Fatal(err)
	}
	renewed := temporary()
	defer renewed.Close()
	o := writer.Options{BlockSize: int(image.Super().BlockSize)}
	if err := writer.WriteFile(context.Background(), renewed, o, writer.Whole(root)); err != nil {
		log.Fatal(err)
	}

	text, err := fs.ReadFile(reader(renewed).FS(), "version")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("version %s", text)
	fmt.Println("blocks as they were:", bytes.Equal(stored(image, "large"), stored(reader(renewed), "large")))
	// Output:
	// version 2
	// blocks as they were: true
}

// Write is for an output that only goes forward: the superblock, which comes
// first and is known last, is the caller's to put in place.
func ExampleWrite() {
	var out strings.Builder
	super, err := writer.Write(context.Background(), &out, writer.Options{}, writer.Whole(tree.NewDir(0o755)))
	if err != nil {
		log.Fatal(err)
	}
	image := string(super) + out.String()[len(super):]
	r, err := squashfs.Open(strings.NewReader(image), int64(len(image)), squashfs.Options{})
	if err != nil {
		log.Fatal(err)
	}
	root, err := fs.Stat(r.FS(), ".")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(root.Mode())
	// Output: drwxr-xr-x
}
