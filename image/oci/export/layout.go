package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/output"
)

const (
	layoutFile = "oci-layout"
	indexFile  = "index.json"
	blobsDir   = "blobs/sha256"
	// layoutText is what layoutFile holds.
	layoutText = `{"imageLayoutVersion":"1.0.0"}`
	// refName is the annotation of a tag; annotations.md.
	refName = "org.opencontainers.image.ref.name"
	// maxIndex bounds the index of a layout that is read, in bytes.
	maxIndex = 4 << 20
)

// layout is a directory that gets an image.
type layout struct {
	path     string
	tag      string
	force    bool
	created  *output.NewDir // nil for a layout that was there
	blobs    *os.File       // its directory of blobs
	pending  []*output.File
	manifest Descriptor
}

// openLayout opens the layout at path or starts a new one.
func openLayout(path, tag string, force bool) (_ *layout, err error) {
	l := &layout{path: path, tag: tag, force: force}
	start := l.check
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		start = l.create
	}
	if err := start(); err != nil {
		return nil, err
	}
	if l.blobs, err = os.Open(filepath.Join(l.path, blobsDir)); err != nil {
		return nil, errors.Join(err, l.Abort())
	}
	return l, nil
}

// create starts a new directory, and leaves its path in path.
func (l *layout) create() (err error) {
	l.created, err = output.CreateDir(l.path, output.DirOptions{})
	if err != nil {
		return err
	}
	l.path = l.created.Path()
	if err := l.fill(); err != nil {
		return errors.Join(err, l.created.Abort())
	}
	return nil
}

// fill writes what every layout has. The directory gets the mode that the umask
// gives the others.
func (l *layout) fill() (err error) {
	if err := os.MkdirAll(filepath.Join(l.path, blobsDir), 0o777); err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(l.path, blobsDir))
	if err != nil {
		return err
	}
	dir, err := os.Open(l.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if err := dir.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.path, layoutFile), []byte(layoutText), 0o666)
}

// check fails where the image could not be added to what is there, and makes the
// directory of blobs where a layout that has none yet lacks it.
func (l *layout) check() error {
	if _, err := os.Lstat(filepath.Join(l.path, layoutFile)); err != nil {
		return hint.Wrap(fmt.Errorf("%s is there and not an OCI layout: %w", l.path, err),
			"name a layout, or a directory that does not exist yet")
	}
	text, err := l.index()
	if err == nil {
		_, err = addTo(text, l.tag, Descriptor{}, l.force)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	return os.MkdirAll(filepath.Join(l.path, blobsDir), 0o777)
}

// index reads the layout's index, nil for one that has none.
func (l *layout) index() (text []byte, err error) {
	name := filepath.Join(l.path, indexFile)
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxIndex:
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", indexFile, maxIndex)
	}
	return os.ReadFile(name)
}

func (l *layout) Layer(_ context.Context, write func(io.Writer) (Descriptor, error)) error {
	return l.put("layer", write)
}

func (l *layout) Config(_ context.Context, d Descriptor, data []byte) error {
	return l.putBytes(d, data)
}

func (l *layout) Manifest(_ context.Context, d Descriptor, data []byte) error {
	l.manifest = d
	return l.putBytes(d, data)
}

func (l *layout) putBytes(d Descriptor, data []byte) error {
	return l.put("document", func(w io.Writer) (Descriptor, error) {
		_, err := w.Write(data)
		return d, err
	})
}

// put keeps a blob for Commit, which gives it its name; until then its hidden
// one, where it has one at all, is made of what.
func (l *layout) put(what string, write func(io.Writer) (Descriptor, error)) error {
	// One of the same name has the same content.
	f, err := output.CreateIn(l.blobs, what, output.Options{Force: true})
	if err != nil {
		return err
	}
	l.pending = append(l.pending, f)
	d, err := write(f.File())
	if err != nil {
		return f.Explain(err)
	}
	return f.Rename(encoded(d))
}

// encoded returns the hexadecimal part of a blob's digest.
func encoded(d Descriptor) string { return strings.TrimPrefix(d.Digest, "sha256:") }

// Commit gives the blobs their names, then the index its new image.
func (l *layout) Commit(ctx context.Context) error {
	err := l.publish(ctx)
	if err == nil && l.created != nil {
		err = l.created.Commit()
	}
	return errors.Join(err, l.Abort())
}

func (l *layout) publish(ctx context.Context) error {
	for _, f := range l.pending {
		if err := f.Commit(); err != nil {
			return err
		}
	}
	return output.Update(ctx, filepath.Join(l.path, indexFile), 0o666, func() ([]byte, error) {
		text, err := l.index()
		if err == nil {
			text, err = addTo(text, l.tag, l.manifest, l.force)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", l.path, err)
		}
		return text, err
	})
}

// Abort gives up what Commit has not published.
func (l *layout) Abort() error {
	var errs []error
	for _, f := range l.pending {
		errs = append(errs, f.Abort())
	}
	l.pending = nil
	if l.blobs != nil {
		errs = append(errs, l.blobs.Close())
		l.blobs = nil
	}
	if l.created != nil {
		errs = append(errs, l.created.Abort())
	}
	return errors.Join(errs...)
}

// entry is a manifest in an index.
type entry struct {
	Descriptor
	Annotations map[string]string `json:"annotations,omitempty"`
}

// addTo returns the index with the image under the tag, which may be empty; a
// nil text stands for no index. Everything else in it stays as it is. An image
// that has the tag, or any where there is none to tell them apart, is replaced
// with force and an error without.
func addTo(text []byte, tag string, d Descriptor, force bool) ([]byte, error) {
	index := map[string]json.RawMessage{"schemaVersion": []byte("2"), "mediaType": []byte(`"` + mediaTypeIndex + `"`)}
	var list []json.RawMessage
	if text != nil {
		clear(index)
		err := json.Unmarshal(text, &index)
		if err == nil && index["manifests"] != nil {
			err = json.Unmarshal(index["manifests"], &list)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", indexFile, err)
		}
	}
	list, err := without(list, tag, force)
	if err != nil {
		return nil, err
	}
	e := entry{Descriptor: d}
	if tag != "" {
		e.Annotations = map[string]string{refName: tag}
	}
	added, err := json.Marshal(e)
	if err == nil {
		index["manifests"], err = json.Marshal(append(list, added))
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(index)
}

// without returns the entries of an index but for those that the image replaces.
func without(list []json.RawMessage, tag string, force bool) ([]json.RawMessage, error) {
	var left []json.RawMessage
	for _, raw := range list {
		var e entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, fmt.Errorf("%s: %w", indexFile, err)
		}
		name := e.Annotations[refName]
		switch {
		case tag == "" && name != "":
			return nil, hint.New("it holds images with tags", "give the new one a tag as well: oci:DIR:TAG")
		case name != tag:
			left = append(left, raw)
		case force:
		case tag == "":
			return nil, hint.New("it holds an image", "give the new one a tag, oci:DIR:TAG, or use --force to replace the other")
		default:
			return nil, hint.New(fmt.Sprintf("it holds an image with the tag %q", tag),
				"choose another tag, or use --force to replace it")
		}
	}
	return left, nil
}
