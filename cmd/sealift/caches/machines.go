package caches

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/cache"
)

// machinesKind is the type of what is kept of the GPUs of machines. Starts read these
// files without opening the cache, so that they are no entries of its own.
const machinesKind = "gpu"

// Machine returns the file in which GPUs of a machine are kept.
func Machine(p *ui.Process, hostname string) (string, error) {
	dir, err := Dir(p)
	return filepath.Join(dir, machinesKind, hostname), err
}

// machines lists what is kept of GPUs.
func machines(p *ui.Process) (list []cache.Info, err error) {
	dir, err := Machine(p, "")
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			continue // it has gone, or is being written
		}
		list = append(list, cache.Info{
			ID: cache.ID{Kind: machinesKind, Key: e.Name()}, Description: "GPUs of " + e.Name(),
			Size: info.Size(), Created: info.ModTime(), Used: info.ModTime(),
		})
	}
	return list, err
}

// entries lists all that the cache has.
func entries(p *ui.Process, c *cache.Cache) ([]cache.Info, error) {
	list, err := c.List()
	more, errMore := machines(p)
	return append(list, more...), errors.Join(err, errMore)
}

// forget removes what is kept of GPUs and unwanted.
func forget(p *ui.Process, unwanted func(cache.Info) bool) (freed cache.Freed, err error) {
	list, err := machines(p)
	dir, errDir := Machine(p, "")
	if err != nil || errDir != nil || len(list) == 0 {
		return freed, errors.Join(err, errDir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return freed, err
	}
	defer root.Close()
	for _, i := range list {
		if !unwanted(i) {
			continue
		}
		if failed := root.Remove(i.Key); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		freed.Entries++
		freed.Bytes += i.Size
	}
	return freed, err
}
