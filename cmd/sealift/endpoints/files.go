// Package endpoints is where references library:// lead: the remotes that
// Apptainer's remote.yaml names, the commands remote …, and the client that
// --library, the reference and these files choose.
//
// Input: the environment, flags, the user's file and the site's. Output: a
// client of a library, changed files, lines of text. Tokens are read from a
// terminal, a file or the standard input, and are never printed.
package endpoints

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/library/endpoint"
)

// fileName is Apptainer's.
const fileName = "remote.yaml"

// files are the user's file and where the site's may be, of which the first that
// is there counts.
type files struct {
	user string
	site []string
}

// newFiles returns the files of a process: the user's is Apptainer's, so that
// what one program logs in to the other knows.
func newFiles(p *ui.Process) files {
	f := files{}
	for _, dir := range []string{buildcfg.SysconfDir, "/etc/apptainer"} {
		f.site = append(f.site, filepath.Join(dir, fileName))
	}
	if dir := p.ConfigDir(); dir != "" {
		f.user = filepath.Join(dir, fileName)
	}
	return f
}

// sitePath returns the path of the site's file, the first one if there is none.
func (f files) sitePath() string {
	for _, path := range f.site {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path
		}
	}
	return f.site[0]
}

// readSite returns the site's configuration, Apptainer's where there is none.
func (f files) readSite() (*endpoint.Config, error) {
	c, err := endpoint.Read(f.sitePath())
	if err == nil && c.Active == "" && len(c.Remotes) == 0 {
		return endpoint.Default(), nil
	}
	return c, err
}

// read returns the user's configuration with the site's in it, and those that
// both have.
func (f files) read() (c *endpoint.Config, both []string, err error) {
	site, err := f.readSite()
	if err != nil {
		return nil, nil, err
	}
	if f.user == "" {
		c = &endpoint.Config{Remotes: map[string]*endpoint.Remote{}}
	} else if c, err = endpoint.Read(f.user); err != nil {
		return nil, nil, err
	}
	return c, c.Merge(site), nil
}

// change changes the user's file or the site's.
func (f files) change(ctx context.Context, site bool, change func(*endpoint.Config) error) error {
	path, mode := f.user, fs.FileMode(0o600)
	if site {
		path, mode = f.sitePath(), 0o644
	}
	if path == "" {
		return hint.New("there is no directory for "+fileName, "set HOME or APPTAINER_CONFIGDIR")
	}
	err := endpoint.Update(ctx, path, mode, change)
	if site && errors.Is(err, fs.ErrPermission) {
		return hint.Wrap(err, "run it as root: the file is the site's")
	}
	return err
}

// changeMerged changes the user's file with the site's remotes in it, as
// Apptainer does where it notes something of one of them.
func (f files) changeMerged(ctx context.Context, change func(*endpoint.Config) error) error {
	site, err := f.readSite()
	if err != nil {
		return err
	}
	return f.change(ctx, false, func(c *endpoint.Config) error {
		c.Merge(site)
		return change(c)
	})
}
