package tree

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// ent describes one tar entry of a test: its type flag (a regular file when
// 0), the body of a file, the target of a link.
type ent struct {
	name string
	flag byte
	data string // body or link target
	mode int64
	uid  int
	pax  map[string]string
}

func file(name, body string) ent   { return ent{name: name, data: body, mode: 0o644} }
func dir(name string) ent          { return ent{name: name, flag: tar.TypeDir, mode: 0o755} }
func link(name, target string) ent { return ent{name: name, flag: tar.TypeSymlink, data: target} }
func hard(name, target string) ent {
	return ent{name: name, flag: tar.TypeLink, data: target, mode: 0o644}
}
func (e ent) withMode(mode int64) ent { e.mode = mode; return e }
func (e ent) header() *tar.Header {
	if e.flag == tar.TypeXGlobalHeader {
		return &tar.Header{Typeflag: e.flag, PAXRecords: e.pax}
	}
	h := &tar.Header{Name: e.name, Typeflag: cmp.Or(e.flag, tar.TypeReg), Mode: e.mode, Uid: e.uid,
		ModTime: time.Unix(1e9, 0), PAXRecords: e.pax, Format: tar.FormatPAX}
	switch h.Typeflag {
	case tar.TypeSymlink, tar.TypeLink:
		h.Linkname = e.data
	case tar.TypeReg:
		h.Size = int64(len(e.data))
	}
	return h
}

// memLayer is a layer in memory that counts how often it is opened.
type memLayer struct {
	data  []byte
	opens int
	ends  int // how often it was read to its end
}

func (l *memLayer) String() string { return "sha256:test" }

func (l *memLayer) Open(context.Context) (io.ReadCloser, error) {
	l.opens++
	return io.NopCloser(&endReader{bytes.NewReader(l.data), l}), nil
}

type endReader struct {
	io.Reader
	l *memLayer
}

func (r *endReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		r.l.ends++
	}
	return n, err
}

func tarOf(t testing.TB, entries []ent) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h := e.header()
		if err := w.WriteHeader(h); err != nil {
			t.Fatalf("entry %q: %v", e.name, err)
		}
		if h.Size > 0 {
			io.WriteString(w, e.data)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func layersOf(t testing.TB, stack ...[]ent) []Layer {
	var layers []Layer
	for _, entries := range stack {
		layers = append(layers, &memLayer{data: tarOf(t, entries)})
	}
	return layers
}

// storing is a Store in memory that remembers what it was given.
type storing struct{ bodies []string }

func (s *storing) store(r io.Reader, size int64) (Content, error) {
	b, err := io.ReadAll(r)
	if err == nil && int64(len(b)) != size {
		err = fmt.Errorf("stored %d bytes of %d", len(b), size)
	}
	s.bodies = append(s.bodies, string(b))
	return Bytes(b), err
}

func mergeOf(t testing.TB, stack ...[]ent) (*Node, error) {
	t.Helper()
	n, _, err := Merge(context.Background(), layersOf(t, stack...), new(storing).store)
	return n, err
}

func mustMerge(t testing.TB, stack ...[]ent) *Node {
	t.Helper()
	n, err := mergeOf(t, stack...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// list describes a tree, one line a name: mode, path, and body, target or the
// first of several names.
func list(root *Node) string {
	first := make(map[*Node]string)
	var lines []string
	for name, n := range root.Walk() {
		line := fmt.Sprintf("%06o %d %s", n.Mode, n.UID, name)
		switch {
		case first[n] != "":
			line += " == " + first[n]
		case n.Type() == TypeSymlink:
			line += " -> " + n.Target
		case n.Content != nil:
			line += " = " + string(n.Content.(Bytes))
		}
		if first[n] == "" {
			first[n] = name
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// paths lists a tree in short: "d/" for a directory, "f=body", "l>target",
// "h==first".
func paths(root *Node) string {
	first := make(map[*Node]string)
	var out []string
	for name, n := range root.Walk() {
		switch {
		case name == ".":
			continue
		case first[n] != "":
			name += "==" + first[n]
		case n.IsDir():
			name += "/"
		case n.Type() == TypeSymlink:
			name += ">" + n.Target
		case n.Content != nil:
			name += "=" + string(n.Content.(Bytes))
		}
		if first[n] == "" {
			first[n] = strings.TrimRight(strings.SplitN(name, "=", 2)[0], "/")
			first[n] = strings.SplitN(first[n], ">", 2)[0]
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// gnuTar packs one entry in GNU format, which takes any bytes in a name.
func gnuTar(t testing.TB, e ent) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	h := e.header()
	h.Format = tar.FormatGNU
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	if h.Size > 0 {
		io.WriteString(w, e.data)
	}
	w.Close()
	return buf.Bytes()
}
