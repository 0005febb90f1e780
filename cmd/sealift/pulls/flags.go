package pulls

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/cmd/sealift/bars"
	"github.com/sealift/sealift/cmd/sealift/caches"
	"github.com/sealift/sealift/cmd/sealift/endpoints"
	"github.com/sealift/sealift/cmd/sealift/images"
	"github.com/sealift/sealift/cmd/sealift/policies"
	"github.com/sealift/sealift/cmd/sealift/remotes"
	"github.com/sealift/sealift/cmd/sealift/targets"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/pull"
)

// Flags are those of every command that takes the name of an image elsewhere.
type Flags struct {
	remotes      remotes.Flags
	library      endpoints.Library
	target       targets.Flags
	Temp         string // for temporary files, or empty
	DisableCache bool   // neither use nor keep anything in the cache
}

// Add adds the flags.
func (f *Flags) Add(flags *pflag.FlagSet) {
	f.remotes.Add(flags)
	f.remotes.AddLogin(flags)
	f.library.Add(flags)
	flags.StringVar(&f.Temp, "tmpdir", "", "`directory` for temporary files")
	ui.Bind(flags, "tmpdir", "TMPDIR")
	flags.BoolVar(&f.DisableCache, "disable-cache", false, "neither use nor keep images in the cache")
	ui.Bind(flags, "disable-cache", "DISABLE_CACHE")
}

// Open gets the image that source names, for a command that uses it now.
func (f *Flags) Open(ctx context.Context, p *ui.Process, source string) (*pull.Image, error) {
	o := build.Options{TmpDir: p.TempDir(f.Temp)}
	var err error
	if o.Codec, o.BlockSize, err = images.Usual(); err != nil {
		return nil, err
	}
	var i *pull.Image
	err = f.get(ctx, p, source, func(ctx context.Context, e pull.Environment) (err error) {
		i, err = pull.Open(ctx, source, o, e)
		return err
	})
	return i, err
}

// gettingGC is the garbage collector's percentage (debug.SetGCPercent) while an
// image is converted: of one with very many files there is a tree in memory.
const gettingGC = 30

// get calls do with what images are got with, and shows how much has come.
func (f *Flags) get(ctx context.Context, p *ui.Process, source string, do func(context.Context, pull.Environment) error) error {
	if err := ui.Interruptible(ctx, func(ctx context.Context) error { return f.remotes.Login(ctx, p) }); err != nil {
		return err
	}
	e, err := f.environment(p)
	if err != nil {
		return err
	}
	if e.Cache != nil {
		defer e.Cache.Close()
	}
	name := pull.Title(source)
	bar := bars.Start(p, name)
	defer bar.Stop()
	e.Received = bar.Add
	fetching, percent := false, 0
	e.Expect = func(total int64) {
		if !fetching {
			fetching, percent = true, debug.SetGCPercent(gettingGC)
		}
		if bar == nil {
			p.Info("getting %s%s", name, size(total))
		}
		bar.Expect(total)
	}
	err = ui.Interruptible(ctx, func(ctx context.Context) error { return do(ctx, e) })
	if fetching {
		debug.SetGCPercent(percent)
		debug.FreeOSMemory() // the process may serve an image for days
	}
	return err
}

// size tells how much will come.
func size(n int64) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(", %s", ui.Bytes(n))
}

func (f *Flags) environment(p *ui.Process) (e pull.Environment, err error) {
	now, fixed, err := p.BuildTime()
	if err != nil {
		return e, err
	}
	client := f.remotes.Client(p)
	e.Environment = build.Environment{
		Host: build.Host{Dir: p.Cwd, Files: os.DirFS("/"), Environ: p.Environ, Version: buildcfg.Version},
		Now:  now.Truncate(time.Second), Fixed: fixed, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()),
		Registry: client, Daemon: f.remotes.Daemon(p), Get: remotes.Get,
		Libraries: f.library.Libraries(p, client, f.remotes.Plain),
		Note:      func(line string) { p.Info("%s", line) }, Warn: func(line string) { p.Warn("%s", line) },
	}
	if e.Gate, err = policies.Open(p, f.DisableCache); err != nil {
		return e, err
	}
	if err := f.target.Set(&e.Host, e.Host.Files); err != nil || f.DisableCache {
		return e, err
	}
	e.Cache, err = caches.Open(p)
	return e, err
}
