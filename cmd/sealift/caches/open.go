// Package caches is the cache of the user: where it is, and the commands
// cache list, cache size and cache clean.
//
// Input: the environment and flags. Output: an open cache for other commands,
// and lines of text.
package caches

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/cache"
)

// Dir returns the directory of the cache: SEALIFT_CACHEDIR, a directory of our
// own in that of a peer, or the one of the XDG Base Directory Specification.
func Dir(p *ui.Process) (string, error) {
	if dir := p.Variable("SEALIFT_CACHEDIR"); dir != "" {
		return filepath.Abs(dir)
	}
	for _, name := range []string{"APPTAINER_CACHEDIR", "SINGULARITY_CACHEDIR", "XDG_CACHE_HOME"} {
		if dir := p.Variable(name); filepath.IsAbs(dir) {
			return filepath.Join(dir, "sealift"), nil
		}
	}
	if home := p.Variable("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".cache", "sealift"), nil
	}
	return "", hint.New("there is no directory for the cache", "set HOME or SEALIFT_CACHEDIR, or use --disable-cache")
}

// Open opens the cache. Without one that can be used it returns nil, and says
// so: what is in a cache can be had again.
func Open(p *ui.Process) (*cache.Cache, error) {
	dir, err := Dir(p)
	if err != nil {
		p.Warn("nothing is kept for other builds: %v", err)
		return nil, nil
	}
	c, err := cache.Open(dir, cache.Options{
		MaxBytes: limit(dir),
		Waiting:  func(cache.ID) { p.Info("waiting for another process that makes the same") },
		Warn:     func(err error) { p.Warn("%v", err) },
	})
	if errors.Is(err, cache.ErrUnavailable) {
		p.Warn("nothing is kept for other builds: %v", err)
		return nil, nil
	}
	return c, err
}

// share is how much of the free space the cache may fill: one in share bytes.
const share = 4

// limit returns how many bytes the cache in dir may have: a share of what is
// free on the file system of the nearest directory that exists. So it shrinks
// as others need the space. 0, no limit, is for what cannot be told.
func limit(dir string) int64 {
	for ; ; dir = filepath.Dir(dir) {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil {
			return max(1, int64(st.Bavail)/share*st.Frsize)
		}
		if dir == "/" || dir == "." {
			return 0
		}
	}
}
