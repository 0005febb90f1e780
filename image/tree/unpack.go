package tree

import (
	"errors"
	"fmt"
	"strings"
)

// apply unpacks one layer over the tree, which holds the layers below it.
//
// The tree becomes what containerd's unpacker makes of the same layers, with
// these choices where unpackers differ:
//   - Whiteouts hide lower layers only, wherever they stand in the layer (the
//     specification; containerd heeds the order of a plain whiteout). Their
//     directories then exist even if no layer has them, as with containerd.
//   - A file in the place of a parent directory is replaced by a directory
//     (umoci; containerd fails).
//   - An entry for the root gives the root its metadata (umoci and Docker;
//     containerd ignores it).
//   - The header of a hard link sets the metadata of the file it links to.
//   - Directories that no layer describes have mode 0755, owner root and the
//     epoch as modification time.
//
// The records are given up on the way, so that they and the tree are not in
// memory together.
func (m *merger) apply(rs records) error {
	if err := m.erase(rs); err != nil {
		return err
	}
	for i, piece := range rs {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		for j := range piece {
			if err := m.put(&piece[j]); err != nil {
				return fmt.Errorf("tar entry %.300q: %w", piece[j].name, err)
			}
		}
		rs[i] = nil
	}
	return nil
}

// erase removes what the whiteouts of a layer hide in the tree. All are
// resolved before any is carried out, so that their order is of no effect.
func (m *merger) erase(rs records) error {
	replaced := replacedDirs(rs)
	if replaced == nil {
		return nil
	}
	type gone struct {
		dir  *Node
		name string // empty for all names
	}
	var all []gone
	for r := range rs.all() {
		dir, base := r.name, ""
		switch r.kind {
		case kindWhiteout:
			dir, base = split(r.name)
		case kindOpaque:
		default:
			continue
		}
		steps, err := m.root.follow(dir, func(prefix string) bool { return replaced[prefix] })
		if err != nil {
			return fmt.Errorf("whiteout in %.300q: %w", dir, err)
		}
		if n := last(steps); n != nil {
			all = append(all, gone{n, base})
		}
	}
	for _, g := range all {
		if g.name == "" {
			clear(g.dir.Entries)
		}
		delete(g.dir.Entries, g.name)
	}
	m.lastDir = nil
	return nil
}

// replacedDirs returns the paths that a layer with whiteouts says are
// directories. Where the tree has a symbolic link at such a path, the layer
// replaces the link, and its whiteouts beneath the path do not reach what the
// link leads to. It returns nil for a layer without whiteouts.
func replacedDirs(rs records) map[string]bool {
	whiteouts := false
	for r := range rs.all() {
		whiteouts = whiteouts || r.kind == kindWhiteout || r.kind == kindOpaque
	}
	if !whiteouts {
		return nil
	}
	dirs := make(map[string]bool)
	for r := range rs.all() {
		switch {
		case r.kind == kindNode && r.node.IsDir():
			dirs[r.name] = true
		case r.kind == kindNode || r.kind == kindHardLink:
			delete(dirs, r.name)
		}
	}
	return dirs
}

// put enters one record into the tree.
func (m *merger) put(r *record) error {
	if r.kind == kindOpaque {
		_, err := m.dir(r.name)
		return err
	}
	if r.name == "." {
		if r.kind != kindWhiteout {
			m.root.adopt(r.node)
		}
		return nil
	}
	name, base := split(r.name)
	dir, err := m.dir(name)
	if err != nil || r.kind == kindWhiteout {
		return err
	}
	if m.lastDepth == maxDepth && r.kind == kindNode && r.node.IsDir() {
		return errDeep
	}
	old := dir.Entries[base]
	if old != nil && old.IsDir() && r.kind == kindNode && r.node.IsDir() {
		old.adopt(r.node)
		return nil
	}
	if old != nil {
		delete(dir.Entries, base)
		m.lastDir = nil
	}
	node := r.node
	if r.kind == kindHardLink {
		if node, err = m.linked(r, dir, base); err != nil {
			return fmt.Errorf("hard link to %.300q: %w", r.link, err)
		}
		node.adopt(r.node)
	}
	if node.Type() == TypeSymlink {
		m.lastDir = nil // a new link may be on the way there
	}
	dir.Entries[strings.Clone(base)] = node // without the path before it
	return nil
}

// dir returns the directory that a cleaned path leads to, making what is
// missing.
func (m *merger) dir(name string) (*Node, error) {
	if m.lastDir != nil && m.lastPath == name {
		return m.lastDir, nil
	}
	steps, err := m.root.follow(name, nil)
	if err != nil {
		return nil, err
	}
	for _, s := range steps {
		if s.node == nil {
			if err := m.charge(nodeCost + len(s.name)); err != nil {
				return nil, err
			}
		}
	}
	m.lastPath, m.lastDir, m.lastDepth = name, fill(steps, 0o755), len(steps)-1
	return m.lastDir, nil
}

// linked returns the file that r, to be base in dir, is another name of.
func (m *merger) linked(r *record, dir *Node, base string) (*Node, error) {
	name, targetBase := split(r.link)
	steps, err := m.root.follow(name, nil)
	if err != nil {
		return nil, err
	}
	parent := step{node: last(steps)}
	target := parent.child(targetBase)
	switch {
	case parent.node == dir && targetBase == base:
		return nil, errors.New("links to itself")
	case r.link == "." || target != nil && target.IsDir():
		return nil, errors.New("is a directory")
	case target == nil:
		return nil, errors.New("no such file in this layer so far or in those below")
	}
	return target, nil
}
