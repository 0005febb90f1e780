package export

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sealift/sealift/image/output"
)

// blockSize is the unit of tar archives in bytes.
const blockSize = 512

// archive is a tar file that gets an image. The layer comes first: the place of
// its header, which tells name and size, is left free until these are known.
type archive struct {
	out *output.File
	end ending
	tar *tar.Writer // of what follows the layer

	layer, config Descriptor
}

// ending is what an archive's kind says about it.
type ending struct {
	// dirs are made first.
	dirs []string
	// layer and config are the names of these blobs.
	layer, config func(Descriptor) string
	// files are those at the end, in order.
	files func(a *archive, manifest Descriptor, data []byte) ([]member, error)
}

// member is a file of an archive.
type member struct {
	name string
	data []byte
}

// layoutEnd is that of the archive of a layout.
func layoutEnd(tag string) ending {
	blob := func(d Descriptor) string { return blobsDir + "/" + encoded(d) }
	return ending{
		dirs: []string{"blobs/", blobsDir + "/"}, layer: blob, config: blob,
		files: func(_ *archive, manifest Descriptor, data []byte) ([]member, error) {
			index, err := addTo(nil, tag, manifest, false)
			return []member{{blob(manifest), data}, {indexFile, index}, {layoutFile, []byte(layoutText)}}, err
		},
	}
}

// dockerEnd is that of what docker save writes, in the form that all readers
// of such know; name is the image's, empty for none.
func dockerEnd(name string) ending {
	e := ending{
		layer:  func(d Descriptor) string { return encoded(d) + ".tar" },
		config: func(d Descriptor) string { return encoded(d) + ".json" },
	}
	e.files = func(a *archive, _ Descriptor, _ []byte) ([]member, error) {
		image := struct {
			Config   string
			RepoTags []string
			Layers   []string
		}{e.config(a.config), nil, []string{e.layer(a.layer)}}
		if name != "" {
			image.RepoTags = []string{name}
		}
		text, err := json.Marshal([]any{image})
		return []member{{"manifest.json", text}}, err
	}
	return e
}

func createArchive(path string, force bool, end ending) (*archive, error) {
	out, err := output.Create(path, output.Options{Force: force})
	if err != nil {
		return nil, err
	}
	return &archive{out: out, end: end, tar: tar.NewWriter(out.File())}, nil
}

// Layer writes the layer in its place in the file.
func (a *archive) Layer(_ context.Context, write func(io.Writer) (Descriptor, error)) error {
	err := a.putLayer(a.out.File(), write)
	return a.out.Explain(err)
}

func (a *archive) putLayer(f *os.File, write func(io.Writer) (Descriptor, error)) error {
	for _, dir := range a.end.dirs {
		h := &tar.Header{Format: tar.FormatGNU, Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}
		if err := a.tar.WriteHeader(h); err != nil {
			return err
		}
	}
	if err := a.tar.Flush(); err != nil {
		return err
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = f.Seek(blockSize, io.SeekCurrent)
	}
	if err != nil {
		return err
	}
	if a.layer, err = write(f); err != nil {
		return err
	}
	header, err := oneBlock(a.end.layer(a.layer), a.layer.Size)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(header, at); err != nil {
		return err
	}
	_, err = f.Write(make([]byte, -a.layer.Size&(blockSize-1)))
	a.tar = tar.NewWriter(f)
	return err
}

// regular is a member's header. GNU's form holds any size in one block.
func regular(name string, size int64) *tar.Header {
	return &tar.Header{Format: tar.FormatGNU, Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size}
}

// oneBlock returns a member's header as the block that it is.
func oneBlock(name string, size int64) ([]byte, error) {
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(regular(name, size)); err != nil {
		return nil, err
	}
	if b.Len() != blockSize {
		return nil, fmt.Errorf("the header of %s has %d bytes", name, b.Len())
	}
	return b.Bytes(), nil
}

// Config writes the configuration.
func (a *archive) Config(_ context.Context, d Descriptor, data []byte) error {
	a.config = d
	return a.put(member{a.end.config(d), data})
}

// Manifest writes what the archive ends with.
func (a *archive) Manifest(_ context.Context, d Descriptor, data []byte) error {
	files, err := a.end.files(a, d, data)
	if err != nil {
		return err
	}
	for _, m := range files {
		if err := a.put(m); err != nil {
			return err
		}
	}
	return a.out.Explain(a.tar.Close())
}

func (a *archive) put(m member) error {
	err := a.tar.WriteHeader(regular(m.name, int64(len(m.data))))
	if err == nil {
		_, err = a.tar.Write(m.data)
	}
	return a.out.Explain(err)
}

// Commit publishes the file.
func (a *archive) Commit(context.Context) error { return errors.Join(a.out.Commit(), a.out.Abort()) }

// Abort gives up the file.
func (a *archive) Abort() error { return a.out.Abort() }
