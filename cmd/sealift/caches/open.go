// Package caches is the cache of the user: where it is, and the commands
// cache list, cache size and cache clean.
//
// Input: the environment and flags. Output: an open cache for other commands,
// and lines of text.
package caches

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

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
	c, err := Find(p, func() { p.Info("waiting for another process that makes the same") })
	if errors.Is(err, cache.ErrUnavailable) {
		p.Warn("nothing is kept for other builds: %v", err)
		return nil, nil
	}
	return c, err
}

// Find opens the cache. Where none can be used, the error is cache.ErrUnavailable, unless the
// user has to see to it. Waiting is called as cache.Options has it.
func Find(p *ui.Process, waiting func()) (*cache.Cache, error) {
	dir, err := Dir(p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", cache.ErrUnavailable, err)
	}
	o, err := options(p, dir)
	if err != nil {
		return nil, err
	}
	o.Waiting = func(cache.ID) { waiting() }
	return cache.Open(dir, o)
}

// options returns those of the cache in dir.
func options(p *ui.Process, dir string) (cache.Options, error) {
	most, err := limit(p.Variable(limitVariable), free(dir))
	return cache.Options{
		MaxBytes: most,
		Below:    below(p, dir),
		Warn:     func(err error) { p.Warn("%v", err) },
	}, err
}

// siteDir is where a site may have a cache for all its users.
const siteDir = "/var/cache/sealift"

// below returns the caches below the one in dir: those of SEALIFT_SITE_CACHEDIR,
// separated by colons, or the site's if it has one. None is below itself.
func below(p *ui.Process, dir string) (list []string) {
	for _, site := range filepath.SplitList(p.Variable("SEALIFT_SITE_CACHEDIR")) {
		if site != "" && filepath.Clean(site) != dir {
			list = append(list, site)
		}
	}
	if st, err := os.Stat(siteDir); p.Variable("SEALIFT_SITE_CACHEDIR") == "" && err == nil && st.IsDir() && siteDir != dir {
		list = append(list, siteDir)
	}
	return list
}

const (
	limitVariable = "SEALIFT_CACHE_MAX_SIZE"
	usualLimit    = "25%"
)

// limit returns how many bytes the cache may have, 0 for no limit: a size such
// as "10G", or a share of what is free, which shrinks as others need the space,
// and is no limit if nobody can tell.
func limit(text string, free int64) (int64, error) {
	if text == "" {
		text = usualLimit
	}
	number, isShare := strings.CutSuffix(text, "%")
	if !isShare {
		var n ui.Size
		err := n.Set(text)
		return int64(n), limitError(text, err)
	}
	share, err := strconv.ParseFloat(number, 64)
	if err == nil && !(share > 0 && share <= 100) {
		err = errors.New("not a share from 0 to 100 percent")
	}
	if err != nil || free < 0 {
		return 0, limitError(text, err)
	}
	return max(1, int64(share/100*float64(free))), nil
}

func limitError(text string, err error) error {
	if err == nil {
		return nil
	}
	return hint.Wrap(fmt.Errorf("%s=%s: %w", limitVariable, text, err),
		"give it a size such as 20G, a share of the free space such as 10%%, or 0 for no limit")
}

// free returns how many bytes are free on the file system of the nearest
// directory that exists, -1 if that cannot be told.
func free(dir string) int64 {
	for ; ; dir = filepath.Dir(dir) {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil {
			return int64(min(st.Bavail, uint64(math.MaxInt64/max(1, st.Frsize)))) * st.Frsize
		}
		if dir == "/" || dir == "." {
			return -1
		}
	}
}
