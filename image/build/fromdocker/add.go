package fromdocker

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/dockerfile/steps"
	"github.com/sealift/sealift/image/files"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/oci/compression"
	"github.com/sealift/sealift/image/tree"
)

// download returns the item of a URL, a file of mode 0600. One with a checksum
// is known by that, and read only when it is needed.
func (w *walk) download(ctx context.Context, b *build.Build, s steps.Source, checksum string) (item, error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return item{}, err
	}
	name := path.Base(u.Path)
	if name == "." || name == "/" {
		return item{}, hint.New(s.URL+" names no file", "fetch it in a RUN instruction")
	}
	if b.Get == nil {
		return item{}, hint.New(s.URL+": the network cannot be used here", "put the file into the context")
	}
	wanted, err := sha256Of(checksum)
	if err != nil {
		return item{}, err
	}
	i := item{Copied: files.Copied{Source: "/" + name}}
	load := func(ctx context.Context, b *build.Build) (files.Copied, error) {
		n, err := w.fetch(ctx, b, s.URL, wanted)
		c := files.Copied{Source: "/" + name, Node: n}
		if err != nil || !s.Unpack {
			return c, err
		}
		return w.unpackAny(ctx, b, c)
	}
	if wanted != "" {
		b.Sources = append(b.Sources, metadata.Known(s.URL, "sha256:"+wanted))
		i.identity = key.New("url").String("name", name).String("sha256", wanted).String("unpack", fmt.Sprint(s.Unpack)).Sum()
		i.make = load
		return i, nil
	}
	if i.Node, err = w.fetch(ctx, b, s.URL, ""); err != nil {
		return item{}, err
	}
	if s.Unpack {
		i.unpack(w)
	}
	return i, nil
}

// sha256Of returns the digits of a checksum, empty for none.
func sha256Of(checksum string) (string, error) {
	if checksum == "" {
		return "", nil
	}
	digits, ok := strings.CutPrefix(checksum, "sha256:")
	if raw, err := hex.DecodeString(digits); !ok || err != nil || len(raw) != sha256.Size {
		return "", hint.New(fmt.Sprintf("--checksum=%s; expected sha256 and 64 digits", checksum), "write --checksum=sha256:DIGITS, as sha256sum prints them")
	}
	return strings.ToLower(digits), nil
}

// fetch reads a URL into a temporary file.
func (w *walk) fetch(ctx context.Context, b *build.Build, from, wanted string) (*tree.Node, error) {
	r, changed, err := b.Get(ctx, from)
	if err != nil {
		return nil, err
	}
	f, err := b.NewFile("download")
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	h := sha256.New()
	size, err := io.Copy(io.MultiWriter(f, h), r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	got := hex.EncodeToString(h.Sum(nil))
	if wanted == "" {
		b.Sources = append(b.Sources, metadata.Known(from, "sha256:"+got))
	} else if got != wanted {
		return nil, hint.New(fmt.Sprintf("%s has the checksum sha256:%s, not sha256:%s", from, got, wanted),
			"find out which is right, and whether somebody changed the file")
	}
	n := &tree.Node{Mode: tree.TypeRegular | 0o600, ModTime: b.Time(), Content: download{f.Name(), size}}
	if !changed.IsZero() && changed.Before(time.Unix(b.Time(), 0)) {
		n.ModTime = max(changed.Unix(), 0)
	}
	return n, nil
}

// download is a file in the build's temporary directory.
type download struct {
	name string
	size int64
}

// Size returns the length in bytes.
func (d download) Size() int64 { return d.size }

// Open opens the file.
func (d download) Open() (io.ReadCloser, error) { return os.Open(d.name) }

// unpack makes an item, if it is an archive, one of what is in it.
func (i *item) unpack(w *walk) {
	c := i.Copied
	i.make = func(ctx context.Context, b *build.Build) (files.Copied, error) { return w.unpackAny(ctx, b, c) }
}

// unpackAny returns what is in a file that is an archive, and others as they are.
func (w *walk) unpackAny(ctx context.Context, b *build.Build, c files.Copied) (files.Copied, error) {
	is, err := isArchive(c.Source, c.Node)
	if err == nil && is {
		c.Node, err = w.unpacked(ctx, b, c.Source, c.Node)
		c.Contents = true
	}
	return c, err
}

// isArchive tells whether a node is a tar archive, or a compressed one.
func isArchive(name string, n *tree.Node) (bool, error) {
	if n.Type() != tree.TypeRegular || n.Content == nil {
		return false, nil
	}
	r, err := archive{name, n}.Open(context.Background())
	if err != nil {
		return false, err
	}
	_, err = tar.NewReader(r).Next()
	return err == nil || errors.Is(err, tar.ErrInsecurePath), r.Close()
}

// unpacked returns what is in an archive, which a stage of its own stores.
func (w *walk) unpacked(ctx context.Context, b *build.Build, name string, n *tree.Node) (*tree.Node, error) {
	a := archive{name, n}
	root, err := b.Start(w.newStage(name), &unpacking{a, b}).Settle(ctx)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	return root, nil
}

// unpacking is a stage.Source.
type unpacking struct {
	archive
	b *build.Build
}

// Streams is stage.Source's.
func (*unpacking) Streams() bool { return true }

// Tree is stage.Source's.
func (u *unpacking) Tree(ctx context.Context, store tree.Store) (*tree.Node, error) {
	root, report, err := tree.Merge(ctx, []tree.Layer{u.archive}, store)
	if err != nil {
		return nil, err
	}
	for _, line := range report.Warnings() {
		u.b.Warning("%s: %s", u.name, line)
	}
	return root, nil
}

// archive is a file as a tree.Layer.
type archive struct {
	name string
	node *tree.Node
}

// String names the archive.
func (a archive) String() string { return a.name }

// Open starts the decompressed stream. Its content must be a tree.Opener.
func (a archive) Open(context.Context) (io.ReadCloser, error) {
	o, ok := a.node.Content.(tree.Opener)
	if !ok {
		return nil, errors.New("its content cannot be read")
	}
	f, err := o.Open()
	if err != nil {
		return nil, err
	}
	r := bufio.NewReader(f)
	kind, err := compression.Sniff(r)
	if err != nil {
		err = hint.Wrap(fmt.Errorf("%s %w", a.name, err), "unpack it in a RUN instruction, or copy it as it is with COPY")
		return nil, errors.Join(err, f.Close())
	}
	z, err := compression.NewDecoder(kind, r)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", a.name, err), f.Close())
	}
	return decompressed{z, f}, nil
}

// decompressed closes the file with the decoder.
type decompressed struct {
	io.ReadCloser
	file io.Closer
}

// Close ends both.
func (d decompressed) Close() error { return errors.Join(d.ReadCloser.Close(), d.file.Close()) }
