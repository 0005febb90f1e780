// Package metadata is the directory /.singularity.d of an image: what a build
// writes there and what inspect reads.
//
// Input: an image's file system or tree, and what the build knows (Spec).
// Output: the texts to put into the tree, and the Metadata that inspect
// prints. It is pure but for reading the image; it never runs a script and
// never looks at the host.
//
// The layout is the one that Apptainer and SingularityCE read and write:
// runscript, startscript, test, labels.json, Singularity (the definition),
// runscript.help, env/*.sh in the order of their names, and
// bootstrap_history.
package metadata

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/image/tree"
)

// Dir is the metadata directory, relative to the root.
const Dir = ".singularity.d"

// Paths below Dir.
const (
	Definition  = "Singularity"
	LabelsFile  = "labels.json"
	Runscript   = "runscript"
	Startscript = "startscript"
	Test        = "test"
	Help        = "runscript.help"

	ociEnvironment    = "env/10-docker2singularity.sh"
	recipeEnvironment = "env/90-environment.sh"
	postEnvironment   = "env/91-environment.sh"

	envDir     = "env"
	historyDir = "bootstrap_history"
)

// EnvironmentFile is what %post appends to; the variable
// APPTAINER_ENVIRONMENT names it. LabelsInput is the same for labels.
const (
	EnvironmentFile = "/" + Dir + "/" + postEnvironment
	LabelsInput     = "/.build.labels"
)

// maxText bounds one file of the metadata, maxTotal all of them, maxLabels
// LabelsInput, all in bytes; maxFiles bounds their number.
const (
	maxLabels = 1 << 20
	maxText   = 4 << 20
	maxTotal  = 32 << 20
	maxFiles  = 1024
)

// Files are the texts of the metadata by their path below Dir.
type Files map[string]string

// single are the files that are not one of a directory's.
var single = []string{Definition, LabelsFile, Runscript, Startscript, Test, Help}

// FromFS reads the metadata of an image's file system. An image without any
// has none; a file of over 4 MiB is an error.
func FromFS(fsys fs.FS) (Files, error) { return FromDir(fsys, Dir) }

// FromDir is FromFS for metadata in another directory than Dir, such as that
// of an application.
func FromDir(fsys fs.FS, dir string) (Files, error) {
	return read(dir, func(name string) (io.ReadCloser, error) {
		f, err := fsys.Open(name)
		if err != nil {
			return nil, err
		}
		if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
			return nil, errors.Join(f.Close(), err, errNotFile)
		}
		return f, nil
	}, func(name string) ([]string, error) {
		entries, err := fs.ReadDir(fsys, name)
		names := make([]string, len(entries))
		for i, e := range entries {
			names[i] = e.Name()
		}
		return names, err
	})
}

// FromTree reads the metadata of a tree whose files can be opened. A Dir that
// is no directory but, say, a symbolic link holds none, as Put replaces it.
func FromTree(root *tree.Node) (Files, error) {
	if meta := root.Entries[Dir]; meta == nil || !meta.IsDir() {
		return Files{}, nil
	}
	return read(Dir, func(name string) (io.ReadCloser, error) {
		n, err := root.Lookup(name)
		if err != nil {
			return nil, err
		}
		return open(n)
	}, func(name string) ([]string, error) {
		n, err := root.Lookup(name)
		if err != nil || !n.IsDir() {
			return nil, fs.ErrNotExist
		}
		return n.Names(), nil
	})
}

// open opens a regular file of a tree.
func open(n *tree.Node) (io.ReadCloser, error) {
	if n.Type() != tree.TypeRegular {
		return nil, errNotFile
	}
	if n.Content == nil {
		return tree.Bytes(nil).Open()
	}
	o, ok := n.Content.(tree.Opener)
	if !ok {
		return nil, ErrUnreadable
	}
	return o.Open()
}

// TakeLabels removes the file LabelsInput from root and returns its text,
// empty when there is no such regular file. One of over 1 MiB is an error.
func TakeLabels(root *tree.Node) (string, error) {
	name := strings.TrimPrefix(LabelsInput, "/")
	n := root.Entries[name]
	delete(root.Entries, name)
	if n == nil || n.Type() != tree.TypeRegular {
		return "", nil
	}
	if n.Size() > maxLabels {
		return "", fmt.Errorf("%s has %d bytes; expected at most %d", LabelsInput, n.Size(), maxLabels)
	}
	r, err := open(n)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), errors.Join(err, r.Close())
}

// ErrUnreadable says that a tree has metadata in a content that cannot be
// opened, being on its way into an image.
var ErrUnreadable = errors.New("content cannot be read back")

// errNotFile marks what is there but is not a regular file, which counts as
// absent.
var errNotFile = fmt.Errorf("not a regular file: %w", fs.ErrNotExist)

// read collects the files below root with open and list, which fail with
// fs.ErrNotExist for what is not there.
func read(root string, open func(string) (io.ReadCloser, error), list func(string) ([]string, error)) (Files, error) {
	names := slices.Clone(single)
	for _, dir := range []string{envDir, historyDir} {
		entries, err := list(path.Join(root, dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("metadata: %w", err)
		}
		for _, e := range entries {
			if dir == historyDir || strings.HasSuffix(e, ".sh") {
				names = append(names, path.Join(dir, e))
			}
		}
	}
	if len(names) > maxFiles {
		return nil, fmt.Errorf("metadata: %d files; expected at most %d", len(names), maxFiles)
	}
	files, total := Files{}, 0
	for _, name := range names {
		text, err := readText(open, path.Join(root, name))
		if total += len(text); total > maxTotal {
			err = fmt.Errorf("brings the metadata over %d bytes", maxTotal)
		}
		switch {
		case err == nil:
			files[name] = text
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("metadata: /%s/%s: %w", root, name, err)
		}
	}
	return files, nil
}

func readText(open func(string) (io.ReadCloser, error), name string) (string, error) {
	f, err := open(name)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err == nil && len(text) > maxText {
		err = fmt.Errorf("longer than %d bytes", maxText)
	}
	return string(text), errors.Join(err, f.Close())
}
