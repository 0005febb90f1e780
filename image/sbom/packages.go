package sbom

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
)

// maxDatabase bounds a package database in bytes, and maxPackages how many packages
// are listed.
const (
	maxDatabase = 64 << 20
	maxPackages = 100000
)

// Package is a package that is installed.
type Package struct {
	// Manager is deb or apk: the type of the package's URL.
	Manager string
	// Name, Version and Arch are as the database has them. Source, unless empty, is the
	// package that it was built from.
	Name, Version, Arch, Source string
	// From is the path of the database.
	From string
}

// Packages is what the databases of an image say.
type Packages struct {
	List []Package
	// Read are the databases that were read, and Other those of package managers that
	// this package does not know.
	Read, Other []string
	// Distribution and Release are ID and VERSION_ID of os-release(5).
	Distribution, Release string
}

// The databases. A directory of dpkg's has a file for each package (distroless).
var (
	dpkgStatus = "var/lib/dpkg/status"
	dpkgParts  = "var/lib/dpkg/status.d"
	apkFiles   = []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"}
	others     = []string{"var/lib/rpm", "usr/lib/sysimage/rpm", "var/lib/pacman/local", "var/db/pkg", "nix/store"}
)

// ErrNone is that an image has no database that List knows.
var ErrNone = errors.New("the image has no package list of dpkg or apk")

// List reads the package databases of an image.
func List(files image.FS) (*Packages, error) {
	p := &Packages{}
	if err := p.dpkg(files); err != nil {
		return nil, err
	}
	for _, name := range apkFiles {
		if err := p.read(files, name, "apk", apkPackage); err != nil {
			return nil, err
		}
		if len(p.List) > 0 && slices.Contains(p.Read, "/"+name) {
			break // the other path leads to the same
		}
	}
	for _, name := range others {
		if _, err := files.Stat(name); err == nil {
			p.Other = append(p.Other, "/"+name)
		}
	}
	if len(p.Read) == 0 {
		err := ErrNone
		if len(p.Other) > 0 {
			err = fmt.Errorf("%w, but one that is not read, %s", err, p.Other[0])
		}
		return nil, hint.Wrap(err, "make a document by another program, and give its file: --sbom FILE")
	}
	p.release(files)
	return p, nil
}

func (p *Packages) dpkg(files image.FS) error {
	if err := p.read(files, dpkgStatus, "deb", dpkgPackage); err != nil {
		return err
	}
	entries, err := files.ReadDir(dpkgParts)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".md5sums") {
			continue
		}
		if err := p.read(files, path.Join(dpkgParts, e.Name()), "deb", dpkgPackage); err != nil {
			return err
		}
	}
	return nil
}

// read reads a database, if it is there: blocks of lines, with an empty line between.
func (p *Packages) read(files image.FS, name, manager string, parse func(fields map[string]string) (Package, bool)) error {
	text, err := image.ReadFile(files, name, maxDatabase)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	p.Read = append(p.Read, "/"+name)
	for block := range bytes.SplitSeq(text, []byte("\n\n")) {
		found, ok := parse(fields(string(block)))
		if !ok {
			continue
		}
		if len(p.List) == maxPackages {
			return fmt.Errorf("%s lists more than %d packages", name, maxPackages)
		}
		found.Manager, found.From = manager, "/"+name
		p.List = append(p.List, found)
	}
	return nil
}

// fields are the lines of a block: a name, a colon, a value. Lines that go on are
// left out.
func fields(block string) map[string]string {
	found := map[string]string{}
	for line := range strings.SplitSeq(block, "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t") {
			if _, twice := found[name]; !twice {
				found[name] = strings.TrimSpace(value)
			}
		}
	}
	return found
}

// dpkgPackage reads a block of dpkg's status: deb-control(5), dpkg(1). A file of
// status.d has no Status.
func dpkgPackage(f map[string]string) (Package, bool) {
	words := strings.Fields(f["Status"])
	installed := len(words) == 0 || len(words) == 3 && words[2] == "installed"
	source, _, _ := strings.Cut(f["Source"], " ")
	return Package{Name: f["Package"], Version: f["Version"], Arch: f["Architecture"], Source: source},
		installed && f["Package"] != "" && f["Version"] != ""
}

// apkPackage reads a block of apk's database (apk-package(5)).
func apkPackage(f map[string]string) (Package, bool) {
	return Package{Name: f["P"], Version: f["V"], Arch: f["A"], Source: f["o"]}, f["P"] != "" && f["V"] != ""
}

// release reads os-release(5), which need not be there.
func (p *Packages) release(files image.FS) {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		text, err := image.ReadFile(files, name, 64<<10)
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			value = strings.Trim(value, `"'`)
			switch key {
			case "ID":
				p.Distribution = value
			case "VERSION_ID":
				p.Release = value
			}
		}
		return
	}
}
