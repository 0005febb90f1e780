package key

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/image/tree"
)

// TreeOptions say what of a tree counts beside names, types, modes, owners,
// device numbers, link targets, extended attributes, contents, and which names
// are of one file.
type TreeOptions struct {
	// Times makes modification times count.
	Times bool
	// Workers is how many files are read at a time; less than one stands for
	// one. It does not change the digest.
	Workers int
}

// Tree returns the digest of the node and of all beneath it. It reads every
// file once and holds no content in memory. A file that cannot be read, or
// that no longer has the size it had when the tree was read, is an error that
// names it below the node.
//
// What is digested is a record for each name, in the order of Node.Walk: for a
// file, its metadata and the digest of its content; for a further name of a
// file, the number of the record that describes it.
func Tree(ctx context.Context, root *tree.Node, o TreeOptions) (Digest, error) {
	contents, err := digestContents(ctx, root, o.Workers)
	if err != nil {
		return Digest{}, err
	}
	kind := "tree"
	if o.Times {
		kind = "tree with times"
	}
	d := digester{opts: o, enc: encoder{sha256.New()}, contents: contents, records: map[*tree.Node]uint64{}}
	d.enc.text(version)
	d.enc.text(kind)
	for path, n := range root.Walk() {
		if err := ctx.Err(); err != nil {
			return Digest{}, fmt.Errorf("digest %s: %w", path, err)
		}
		d.node(path, n)
	}
	return d.enc.sum(), nil
}

// digester writes the records of a tree.
type digester struct {
	opts     TreeOptions
	enc      encoder
	contents map[*tree.Node]Digest
	count    uint64                // records so far
	records  map[*tree.Node]uint64 // of files, by number
}

// node writes the record of a name.
func (d *digester) node(path string, n *tree.Node) {
	d.count++
	if first, again := d.records[n]; again {
		d.enc.bytes([]byte("l"))
		d.enc.text(path)
		d.enc.number(first)
		return
	}
	if !n.IsDir() {
		d.records[n] = d.count
	}
	d.enc.bytes([]byte("f"))
	d.enc.text(path)
	d.metadata(n)
	content, ok := d.contents[n]
	if !ok {
		content = sha256.Sum256(nil)
	}
	d.enc.bytes(content[:])
}

// metadata writes all of a node but its content. Every record has every field,
// whatever the type, except the time.
func (d *digester) metadata(n *tree.Node) {
	opaque := uint64(0)
	if n.Opaque {
		opaque = 1
	}
	for _, v := range []uint64{uint64(n.Mode), uint64(n.UID), uint64(n.GID), n.Rdev, opaque} {
		d.enc.number(v)
	}
	if d.opts.Times {
		d.enc.number(uint64(n.ModTime))
	}
	d.enc.text(n.Target)
	byName := func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) }
	d.enc.number(uint64(len(n.Xattrs)))
	for _, x := range slices.SortedFunc(slices.Values(n.Xattrs), byName) {
		d.enc.text(x.Name)
		d.enc.text(string(x.Value))
	}
}
