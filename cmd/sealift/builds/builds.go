// Package builds is the command build.
//
// Input: flags, and the name of a definition file or an image. It has
// image/build compute the steps and take them, with package actions to run their
// scripts. Output: the image, and a line for each step,
// with the time that it took.
package builds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/caches"
	"github.com/sealift/sealift/cmd/sealift/cryptkeys"
	"github.com/sealift/sealift/cmd/sealift/paths"
	"github.com/sealift/sealift/cmd/sealift/remotes"
	"github.com/sealift/sealift/cmd/sealift/scripts"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/attach"
	"github.com/sealift/sealift/image/build/fromdef"
	"github.com/sealift/sealift/image/definition"
)

// buildingGC is the garbage collector's percentage (debug.SetGCPercent) of a
// build: of images with very many files it holds a tree in memory, which need
// not be doubled.
const buildingGC = 30

// buildError is a failure of the build, whatever a script's own status was.
type buildError struct{ error }

func (e buildError) Unwrap() error { return e.error }

// ExitCode is that of every failure of Sealift's own.
func (buildError) ExitCode() int { return ui.ExitFailure }

// Command returns build.
func Command(p *ui.Process) *cobra.Command {
	var b buildFlags
	c := &cobra.Command{
		Use: "build [flags] OUTPUT SOURCE", Short: "Build an image from a definition file, a Dockerfile or another image",
		Long: `Build the SIF file OUTPUT. SOURCE is a definition file, a Dockerfile (its name
says so, as Dockerfile.x or x.Dockerfile, or --file), or an image to convert:
docker://[HOST/]PATH[:TAG][@DIGEST] or, for a SIF, oras:// of the same form from
a registry, library:// or https://, docker-daemon:NAME, oci:DIRECTORY[:TAG],
oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG], a SIF or SquashFS file,
or a directory. OUTPUT appears when everything has succeeded, the %test section
included.

--encrypt, --passphrase and --pem-path encrypt the image, whose definition and
labels stay legible; a public key is enough. An encrypted image to build from
is opened with the key of the variables, or else with that of the flags. No
step of such builds is kept in the cache. Temporary files of a build with
scripts are not encrypted: --tmpdir can name a directory in memory for them.

` + cryptkeys.Help + `

With --reproducible, or SOURCE_DATE_EPOCH in the environment, equal inputs give
equal outputs. Without that variable, they are of the time that the image which
they start from was made.`,
		Args: cobra.MatchAll(ui.AtLeast(1), ui.AtMost(2)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			if err := p.CheckRefused(c.Flags()); err != nil {
				return err
			}
			b.Output = args[0]
			source, err := b.docker.source(args[1:])
			if err != nil {
				return ui.UsageError(c, err)
			}
			return run(p, c, &b, paths.Local(source))
		},
	}
	b.add(c.Flags())
	return c
}

func run(p *ui.Process, c *cobra.Command, b *buildFlags, source string) error {
	if !b.fakeroot {
		return ui.UsageError(c, errors.New("--fakeroot=false: a build always runs as root of its own user namespace"))
	}
	if err := b.settle(); err != nil {
		return err
	}
	if err := b.seal(c, p); err != nil {
		return err
	}
	now, fixed, err := p.BuildTime()
	if err != nil {
		return err
	}
	b.Reproducible = b.Reproducible || fixed
	h := build.Host{Dir: p.Cwd, Files: os.DirFS("/"), Environ: p.Environ, Version: buildcfg.Version}
	if err := b.target.Set(&h, h.Files); err != nil {
		return err
	}
	steps, err := b.compute(p, source, h)
	if err != nil {
		return err
	}
	steps = attach.Before(steps, b.attached.what)
	if b.dryRun {
		for _, s := range steps {
			if err := p.Print(s.String() + "\n"); err != nil {
				return err
			}
		}
		return nil
	}
	return b.take(c.Context(), p, steps, h, now, fixed)
}

// compute returns the steps that build from source.
func (b *buildFlags) compute(p *ui.Process, source string, h build.Host) ([]build.Step, error) {
	if b.docker.isDockerfile(source) {
		return b.fromDockerfile(p, source, h)
	}
	if err := b.docker.unused(); err != nil {
		return nil, err
	}
	recipe, err := readRecipe(source)
	if err != nil {
		return nil, err
	}
	if b.Update && paths.IsImage(source) {
		return nil, hint.New(fmt.Sprintf("--update: %s is an image", source), "name a definition file to carry out over %s", b.Output)
	}
	return fromdef.Compute(recipe, h, b.Options)
}

// take takes the steps, and tells of them.
func (b *buildFlags) take(ctx context.Context, p *ui.Process, steps []build.Step, h build.Host, now time.Time, fixed bool) (err error) {
	if err := b.remotes.Login(ctx, p); err != nil {
		return err
	}
	shown := newProgress(p, time.Now)
	defer shown.close()
	e := b.environment(p, shown)
	e.Host, e.Now, e.Fixed, e.Key = h, now, fixed, b.found.Base
	e.Registry, e.Daemon, e.Get = b.remotes.Client(p), b.remotes.Daemon(p), remotes.Get
	e.Libraries = b.library.Libraries(p, e.Registry, b.remotes.Plain)
	if e.Gate, e.Sign, err = b.sign.Trust(ctx, p, !b.Sandbox, b.NoCache || b.disableCache); err != nil {
		return err
	}
	if !b.disableCache {
		c, err := caches.Open(p)
		if err != nil {
			return err
		}
		if c != nil {
			defer c.Close()
			e.Cache = c
		}
	}
	debug.SetGCPercent(buildingGC)
	return ui.Interruptible(ctx, func(ctx context.Context) error {
		if err := build.Run(ctx, steps, b.Options, e); err != nil {
			return buildError{err}
		}
		shown.summary(b.Output)
		return nil
	})
}

// environment returns what the build works with, but for the host, the time and
// the cache.
func (b *buildFlags) environment(p *ui.Process, shown *progress) build.Environment {
	return build.Environment{
		Run: scripts.Runner(p, b.scripts), UID: uint32(os.Getuid()), GID: uint32(os.Getgid()),
		Powers: b.scripts.Powers(p),
		Open:   len(b.scripts.Binds)+len(b.scripts.Mounts) > 0,
		Stdout: shown.scripts(), Stderr: shown.scripts(),
		Progress: shown.event,
		Note:     func(line string) { p.Info("%s", line) }, Warn: func(line string) { p.Warn("%s", line) },
	}
}

// readRecipe reads a definition file, or makes up the recipe of an image.
func readRecipe(source string) (*definition.Recipe, error) {
	if paths.IsImage(source) {
		return fromdef.RecipeFor(source)
	}
	f, err := os.Open(source)
	if err != nil {
		return nil, sourceError(source, err)
	}
	defer f.Close()
	text := make([]byte, definition.MaxSize+1)
	n, err := readUpTo(f, text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", source, err)
	}
	return definition.Parse(source, text[:n])
}

func sourceError(source string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return hint.Wrap(fmt.Errorf("build from %s: %w", source, fs.ErrNotExist),
			"name a definition file, an image file, a directory, or an OCI source such as oci:DIRECTORY")
	}
	return err
}

// buildArguments merges the values of files and flags; later ones win.
func buildArguments(files, flags []string) (map[string]string, error) {
	values := map[string]string{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for i, line := range strings.Split(string(text), "\n") {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if err := addArgument(values, line); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
			}
		}
	}
	for _, kv := range flags {
		if err := addArgument(values, kv); err != nil {
			return nil, fmt.Errorf("--build-arg %s: %w", kv, err)
		}
	}
	return values, nil
}

func addArgument(values map[string]string, kv string) error {
	name, value, ok := strings.Cut(kv, "=")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return hint.New("no NAME=VALUE", "write --build-arg NAME=VALUE")
	}
	values[name] = strings.TrimSpace(value)
	return nil
}

// readUpTo fills b from r and returns how much there was.
func readUpTo(r io.Reader, b []byte) (int, error) {
	n, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, nil
	}
	return n, err
}
