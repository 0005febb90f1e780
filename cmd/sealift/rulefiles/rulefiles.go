// Package rulefiles tells where the rules of which images may be used are, which are trust.toml
// of the site and of the user, and Apptainer's ecl.toml; where the keys are that rules mean;
// and where the image is that they are asked about.
//
// Input: the process's environment; an open image. Output: paths. It reads names and links, and
// no file.
package rulefiles

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

// The names of the files.
const (
	trustFile = "trust.toml"
	eclFile   = "ecl.toml"
)

// Paths are where the files are. An empty one is none.
type Paths struct {
	Site, User string
	ECL        []string // the first that there is counts
}

// Of returns the paths for a process.
func Of(p *ui.Process) Paths {
	at := Paths{Site: filepath.Join(buildcfg.SysconfDir, trustFile), User: p.UserConfig(trustFile)}
	for _, dir := range SiteDirs() {
		at.ECL = append(at.ECL, filepath.Join(dir, eclFile))
	}
	return at
}

// SiteDirs returns where a site has its files: our own directory, and Apptainer's.
func SiteDirs() []string { return []string{buildcfg.SysconfDir, "/etc/apptainer"} }

// KeysDir returns the directory of the user's keyrings, which is Apptainer's; empty without a
// home.
func KeysDir(p *ui.Process) string {
	if _, dir := p.Setting("KEYSDIR"); dir != "" {
		return dir
	}
	if dir := p.ConfigDir(); dir != "" {
		return filepath.Join(dir, "keys")
	}
	return ""
}

// Rings returns where public keys of signers may be: the user's, and the site's, of which the
// first that there is counts.
func Rings(p *ui.Process) (list []string) {
	if dir := KeysDir(p); dir != "" {
		list = append(list, filepath.Join(dir, buildcfg.PublicRing))
	}
	for _, dir := range SiteDirs() {
		list = append(list, filepath.Join(dir, buildcfg.SiteRing))
	}
	return list
}

// All returns all paths that are not empty.
func (p Paths) All() []string {
	return slices.DeleteFunc(append([]string{p.Site, p.User}, p.ECL...), func(path string) bool { return path == "" })
}

// Any says whether there may be rules: whatever is not known to be missing counts.
func (p Paths) Any() bool {
	for _, path := range p.All() {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}
