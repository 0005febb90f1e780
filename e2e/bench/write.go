package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/sealift/sealift/e2e/bench/report"
	"github.com/sealift/sealift/e2e/fixture"
)

// codecs are those of the write suite: a compressor and its level.
func codecs() [][2]string { return [][2]string{{"zstd", "3"}, {"gzip", "6"}, {"gzip", "9"}} }

// writing is the write suite.
type writing struct {
	options
	ctx      context.Context
	work     string // a directory that is removed in the end
	programs []program
}

// author is one way to write an image. Before, if not nil, is not measured.
type author struct {
	name   string
	before func() error
	write  func(out string) *exec.Cmd
}

// write measures how fast images are written.
func write(ctx context.Context, o options) error {
	work, err := workDir(o.work)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if o.rounds == 0 {
		o.rounds = 3
	}
	w := &writing{options: o, ctx: ctx, work: work}
	if w.programs, err = builds(work); err != nil {
		return err
	}
	for _, c := range codecs() {
		name := strings.Join(c[:], " ")
		if err := w.table("tar to "+name, func() ([]author, error) { return w.fromTar(c[0], c[1]) }); err != nil {
			return err
		}
		if err := w.table("layers to "+name, func() ([]author, error) { return w.fromLayers(c[0], c[1]) }); err != nil {
			return err
		}
	}
	for _, layers := range []string{"gzip", "zstd"} {
		if err := w.table("pull 6 layers of "+layers, func() ([]author, error) { return w.pull(layers) }); err != nil {
			return err
		}
	}
	if err := w.table("new line of %post", w.rescript); err != nil {
		return err
	}
	return w.table("new label", w.relabel)
}

// table measures the authors that prepare returns, of which the first that is
// not Sealift is the peer.
func (w *writing) table(title string, prepare func() ([]author, error)) error {
	if !w.only.MatchString(title) {
		return nil
	}
	list, err := prepare()
	if err != nil {
		return fmt.Errorf("%s: %w", title, err)
	}
	t := &report.Table{Title: title, Unit: "seconds", Notes: []string{"image MB", "temp MB", "peak MB"}}
	for _, a := range list {
		if !strings.HasPrefix(a.name, "sealift") {
			t.Peers = append(t.Peers, a.name)
		}
	}
	err = report.TakeTurns(w.rounds, list, func(a author) error {
		got, size, err := w.once(a)
		t.Row(a.name).Add(got.Seconds())
		// Where blocks are shared, less is written than the image has.
		t.Row(a.name).Notes = []string{report.Megabytes(size), report.Megabytes(max(0, got.written-size)), report.Megabytes(got.peak)}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", title, err)
	}
	return w.book.Show(t)
}

// once has an author write one image, which is removed after.
func (w *writing) once(a author) (got outcome, size int64, err error) {
	if a.before != nil {
		if err := a.before(); err != nil {
			return got, 0, err
		}
	}
	syscall.Sync() // what the last one left to be written is not this one's
	out := filepath.Join(w.work, "out")
	if got, err = execute(a.write(out)); err != nil {
		return got, 0, err
	}
	info, err := os.Stat(out)
	if err != nil {
		return got, 0, err
	}
	return got, info.Size(), os.Remove(out)
}

// build is an image written by Sealift.
func (w *writing) build(p program, out, compressor, level, source string) *exec.Cmd {
	return exec.CommandContext(w.ctx, p.path, "build", "--compression", compressor+":"+level, out, source)
}

// mksquashfs is an image written by it: of a directory, or of a tar for "-".
func (w *writing) mksquashfs(source, out, compressor, level string) []string {
	args := []string{
		"mksquashfs", source, out, "-quiet", "-no-progress", "-noappend", "-b", "128K",
		"-processors", fmt.Sprint(runtime.NumCPU()), "-comp", compressor, "-Xcompression-level", level,
	}
	if source == "-" {
		args = append(args, "-tar")
	}
	return args
}

// fromTar turns a tar into an image. Sealift takes it as the only layer of an
// OCI archive.
func (w *writing) fromTar(compressor, level string) ([]author, error) {
	archive, err := fixture.LargeArchive(w.ctx, cache, 1)
	if err != nil {
		return nil, err
	}
	rootfs, err := fixture.LargeTar(w.ctx, cache)
	if err != nil {
		return nil, err
	}
	var list []author
	for _, p := range w.programs {
		list = append(list, author{name: p.name, write: func(out string) *exec.Cmd {
			return w.build(p, out, compressor, level, "oci-archive:"+archive)
		}})
	}
	shell := func(args ...string) *exec.Cmd {
		return exec.CommandContext(w.ctx, "sh", append([]string{"-c", `exec "$@" <` + rootfs, "sh"}, args...)...)
	}
	if found("mksquashfs", "mksquashfs -tar") {
		list = append(list, author{name: "mksquashfs -tar", write: func(out string) *exec.Cmd {
			return shell(w.mksquashfs("-", out, compressor, level)...)
		}})
	}
	if found("tar2sqfs", "tar2sqfs") {
		list = append(list, author{name: "tar2sqfs", write: func(out string) *exec.Cmd {
			return shell("tar2sqfs", "-q", "-f", "-b", "128K", "-j", fmt.Sprint(runtime.NumCPU()),
				"-c", compressor, "-X", "level="+level, out)
		}})
	}
	return list, nil
}

// fromLayers turns an OCI archive of six layers into an image. Its peer does
// what tools without a writer of their own do: it unpacks the layers, one over
// the other, and has mksquashfs pack the directory.
func (w *writing) fromLayers(compressor, level string) ([]author, error) {
	archive, err := fixture.LargeArchive(w.ctx, cache, 6)
	if err != nil {
		return nil, err
	}
	var list []author
	for _, p := range w.programs {
		list = append(list, author{name: p.name, write: func(out string) *exec.Cmd {
			return w.build(p, out, compressor, level, "oci-archive:"+archive)
		}})
	}
	if !found("mksquashfs", "unpack, mksquashfs") {
		return list, nil
	}
	layers, err := layersOf(archive)
	if err != nil {
		return nil, err
	}
	root := filepath.Join(w.work, "root")
	script := `set -e; archive=$1 root=$2; shift 2
while [ "$1" != -- ]; do
	tar -xOf "$archive" "$1" | tar -C "$root" --exclude='./dev/*' --xattrs --xattrs-include='*' -xzpf -; shift
done; shift; "$@"`
	return append(list, author{
		name:   "unpack, mksquashfs",
		before: func() error { return errors.Join(os.RemoveAll(root), os.Mkdir(root, 0o755)) },
		write: func(out string) *exec.Cmd {
			args := append([]string{"-c", script, "sh", archive, root}, layers...)
			args = append(append(args, "--"), w.mksquashfs(root, out, compressor, level)...)
			return exec.CommandContext(w.ctx, "sh", args...)
		},
	}), nil
}

// pull gets an image of six layers that are compressed, each program with its
// defaults and without a cache.
func (w *writing) pull(layers string) (list []author, err error) {
	archive := ""
	if layers == "zstd" {
		archive, err = fixture.LargeZstdArchive(w.ctx, cache)
	} else {
		archive, err = fixture.LargeArchive(w.ctx, cache, 6)
	}
	if err != nil {
		return nil, err
	}
	add := func(name, path string) {
		list = append(list, author{name: name, write: func(out string) *exec.Cmd {
			return exec.CommandContext(w.ctx, path, "pull", "--disable-cache", out, "oci-archive:"+archive)
		}})
	}
	for _, p := range w.programs {
		add(p.name, p.path)
	}
	if found("apptainer", "apptainer pull") {
		add("apptainer pull", "apptainer")
	}
	return list, nil
}

// layersOf returns the names of the layers in an OCI archive of one image.
func layersOf(archive string) ([]string, error) {
	type document struct{ Manifests, Layers []struct{ Digest string } }
	read := func(name string) (d document, err error) {
		text, err := exec.Command("tar", "-xOf", archive, name).Output()
		if err == nil {
			err = json.Unmarshal(text, &d)
		}
		return d, err
	}
	blob := func(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }
	index, err := read("index.json")
	if err != nil {
		return nil, err
	}
	manifest, err := read(blob(index.Manifests[0].Digest))
	var names []string
	for _, l := range manifest.Layers {
		names = append(names, blob(l.Digest))
	}
	return names, err
}

// relabel gives an image of 2 GB another label, and writes it anew with it from
// the same tree unpacked. A copy of the image is what a rebuild cannot beat.
func (w *writing) relabel() ([]author, error) {
	tree, err := fixture.HugeTree(w.ctx, cache)
	if err != nil {
		return nil, err
	}
	base := filepath.Join(w.work, "base.sif")
	if _, err := execute(w.build(w.programs[0], base, "zstd", "3", tree)); err != nil {
		return nil, err
	}
	recipe := func(name, from string) (string, error) {
		path := filepath.Join(w.work, name+".def")
		text := fmt.Sprintf("Bootstrap: localimage\nFrom: %s\n\n%%labels\n    changed yes\n", from)
		return path, os.WriteFile(path, []byte(text), 0o644)
	}
	change, err := recipe("change", base)
	if err != nil {
		return nil, err
	}
	anew, err := recipe("anew", tree)
	if err != nil {
		return nil, err
	}
	var list []author
	for _, p := range w.programs {
		list = append(list, author{name: p.name + ", rebuild", write: func(out string) *exec.Cmd {
			return w.build(p, out, "zstd", "3", change)
		}})
	}
	list = append(list, author{name: "cp, sync", write: func(out string) *exec.Cmd {
		return exec.CommandContext(w.ctx, "sh", "-c", `cp "$1" "$2" && sync "$2"`, "sh", base, out)
	}}, author{name: "written anew", write: func(out string) *exec.Cmd {
		return w.build(w.programs[0], out, "zstd", "3", anew)
	}})
	if found("mksquashfs", "mksquashfs") {
		list = append(list, author{name: "mksquashfs", write: func(out string) *exec.Cmd {
			args := w.mksquashfs(tree, out, "zstd", "3")
			return exec.CommandContext(w.ctx, args[0], args[1:]...)
		}})
	}
	return list, nil
}
