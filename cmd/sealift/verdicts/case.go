package verdicts

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/cmd/sealift/rulefiles"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

const (
	// maxFile bounds a file with rules or keys in bytes, maxObjects all that is read of an
	// image: where there is more, the rules are asked each time.
	maxFile    = 4 << 20
	maxObjects = 16 << 20
)

// Grounds are what verdicts follow from, whatever image they are about.
type Grounds struct {
	Version string // of Sealift, which may judge otherwise another time
	User    int
	Rules   []File
	Keys    []File
}

// Examine returns them as they are now.
func Examine(p *ui.Process) (g Grounds, err error) {
	g = Grounds{Version: buildcfg.Version, User: os.Getuid()}
	if g.Rules, err = lookAll(rulefiles.Of(p).All()); err != nil {
		return g, err
	}
	g.Keys, err = lookAll(rulefiles.Rings(p))
	return g, err
}

func lookAll(paths []string) (list []File, err error) {
	for _, path := range paths {
		f, err := Look(path)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// File is a file: what is in it, and who may change that.
type File struct {
	Path string
	// Digest is the SHA-256 of what is in the file, in hexadecimal; empty where there is none.
	Digest string `json:",omitempty"`
	// Name is of the path itself, Target of the file that it leads to, Dir of the directory.
	Name, Target, Dir Owner
}

// Owner is whom something belongs to, and its kind and mode as stat(2) has them.
type Owner struct{ UID, Mode uint32 }

func ownerOf(st fs.FileInfo) Owner {
	s := st.Sys().(*syscall.Stat_t)
	return Owner{s.Uid, s.Mode}
}

// Look looks at a file. One that is missing is no error.
func Look(path string) (File, error) {
	found := File{Path: path}
	name, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return found, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return found, err
	}
	defer f.Close() // which was only read
	target, err := f.Stat()
	if err != nil {
		return found, err
	}
	if !target.Mode().IsRegular() { // to read from it may take for ever
		return found, fmt.Errorf("%s is not a regular file", path)
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return found, err
	}
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, maxFile+1))
	if err == nil && n > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	found.Name, found.Target, found.Dir = ownerOf(name), ownerOf(target), ownerOf(dir)
	found.Digest = hex.EncodeToString(h.Sum(nil))
	return found, err
}

// Elsewhere is the case of images that no rule is about.
func (g Grounds) Elsewhere() Case { return Case{Grounds: g} }

// Case is what a verdict follows from.
type Case struct {
	Grounds
	Place string
	SIF   bool
	// Partition is the one that is meant, 0 for the primary one, and Objects the digest of what
	// signatures cover, if the image has a hash tree. One without is not held, and may be any.
	Partition uint32
	Objects   string
}

// Is says whether another case is the same.
func (c Case) Is(other Case) bool { return c.digest() == other.digest() }

// Of is the case of an open image at a place (rulefiles.Locate); img is as image.Hold has it.
func (g Grounds) Of(place string, img *sif.Image) (c Case, err error) {
	c = Case{Grounds: g, Place: place, SIF: img != nil}
	tree, err := merkle.FromImage(img)
	if errors.Is(err, merkle.ErrNoTree) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	if img.Selected() {
		c.Partition = tree.Partition.ID
	}
	c.Objects, err = digest(img, tree)
	return c, err
}

// digest returns that of the header, the descriptors and all objects that a tree does not
// vouch for.
func digest(img *sif.Image, tree *merkle.Tree) (string, error) {
	file, _ := img.File()
	h := img.Header()
	parts := []*io.SectionReader{io.NewSectionReader(file, 0, sif.HeaderSize), io.NewSectionReader(file, h.TableOffset, h.TableSize)}
	size := h.TableSize
	for _, o := range img.Objects() {
		if !tree.Vouched(o.ID) {
			parts = append(parts, img.Section(o))
			size += o.Size
		}
	}
	if size > maxObjects {
		return "", fmt.Errorf("the image has %d bytes of objects, more than %d", size, maxObjects)
	}
	// The table says how long each part is.
	sum := sha256.New()
	for _, part := range parts {
		if _, err := io.Copy(sum, part); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
