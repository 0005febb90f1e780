// Package rulefiles tells where the rules of which images may be used are: trust.toml
// of the site and of the user, and Apptainer's ecl.toml.
//
// Input: the process's environment. Output: paths. It reads no file.
package rulefiles

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

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
	return Paths{
		Site: filepath.Join(buildcfg.SysconfDir, trustFile), User: p.UserConfig(trustFile),
		ECL: []string{filepath.Join(buildcfg.SysconfDir, eclFile), filepath.Join("/etc/apptainer", eclFile)},
	}
}

// Any says whether there may be rules: whatever is not known to be missing counts.
func (p Paths) Any() bool {
	for _, path := range append([]string{p.Site, p.User}, p.ECL...) {
		if path == "" {
			continue
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}
