package fromdocker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/dockerfile/perm"
	"github.com/sealift/sealift/image/dockerfile/steps"
	"github.com/sealift/sealift/image/metadata"
)

// run carries out RUN. The program has the environment of the Dockerfile and
// nothing of the image's scripts, and the image's own /tmp.
func (w *walk) run(ctx context.Context, b *build.Build, do steps.Run) error {
	mounts, err := w.mounts(ctx, b, do.Mounts)
	if err != nil {
		return err
	}
	return b.ScriptLayer(ctx, w.at, build.Change{
		Kind:     "run",
		Identify: func(k *key.Key) error { return w.identify(ctx, b, k, do, mounts) },
		Do:       func() error { return w.start(ctx, b, do, mounts) },
	})
}

func (w *walk) identify(ctx context.Context, b *build.Build, k *key.Key, do steps.Run, mounts []mount) error {
	config := w.state.Config
	k.Strings("words", do.Words).String("directory", config.WorkingDir).String("user", config.User).
		Strings("environment", slices.DeleteFunc(w.state.Environ(), isPassed)).Strings("configured", config.Env).
		String("network", do.Network)
	if do.File != nil {
		k.String("file", do.File.Data)
	}
	for _, m := range mounts {
		if err := m.identify(ctx, b, k); err != nil {
			return err
		}
	}
	return nil
}

// start runs the program.
func (w *walk) start(ctx context.Context, b *build.Build, do steps.Run, mounts []mount) (err error) {
	x := build.Exec{
		Bare: true, Args: do.Words, Dir: w.state.Config.WorkingDir, Env: w.state.Environ(), NoNetwork: do.Network == "none",
	}
	if err := w.become(ctx, b, &x); err != nil {
		return err
	}
	for _, kv := range metadata.Passed(b.Host.Environ) {
		addVariable(&x.Env, kv)
	}
	m := &mounting{walk: w, build: b}
	defer func() { err = m.end(err) }()
	for _, mount := range mounts {
		if err := m.add(ctx, &x, mount); err != nil {
			return fmt.Errorf("--mount=%s: %w", mount.Options, err)
		}
	}
	body := ""
	if do.File != nil {
		body, x.Args = do.File.Data, nil
	}
	return b.Script(ctx, w.at, body, x)
}

// become has x run as the user in force, with its home.
func (w *walk) become(ctx context.Context, b *build.Build, x *build.Exec) error {
	if w.state.Config.User == "" {
		addVariable(&x.Env, "HOME=/root")
		return nil
	}
	root, err := b.Stage(w.at).Mount(ctx)
	if err != nil {
		return err
	}
	a, err := perm.FindUser(viewFile(root.View), w.state.Config.User)
	if err != nil {
		return err
	}
	if a.UID != 0 || a.GID != 0 {
		x.User = &build.User{UID: a.UID, GID: a.GID, Groups: a.Groups}
	}
	addVariable(&x.Env, "HOME="+a.Home)
	return nil
}

// addVariable adds NAME=value unless there is one of the name.
func addVariable(env *[]string, kv string) {
	name, _, _ := strings.Cut(kv, "=")
	if !slices.ContainsFunc(*env, func(have string) bool { return strings.HasPrefix(have, name+"=") }) {
		*env = append(*env, kv)
	}
}

// isPassed tells the variables on which a result is not to depend: what of the
// caller's reaches every program.
func isPassed(kv string) bool { return len(metadata.Passed([]string{kv})) > 0 }
