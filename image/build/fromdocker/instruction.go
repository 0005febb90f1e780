package fromdocker

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/key"
	"github.com/sealift/sealift/image/dockerfile/perm"
	"github.com/sealift/sealift/image/dockerfile/steps"
	"github.com/sealift/sealift/image/tree"
)

// instruction carries out one instruction. What it does to the configuration
// is noted in the walk.
type instruction struct {
	*walk
	step steps.Step
}

// Name is the instruction's keyword in lower case.
func (s *instruction) Name() string {
	keyword, _, _ := strings.Cut(abridged(s.step.Source), " ")
	return s.at.Step(strings.ToLower(keyword))
}

func (s *instruction) String() string {
	return fmt.Sprintf("%v: %s (line %d)", s.at, abridged(s.step.Source), s.step.Line)
}

// maxShown is how many bytes of an instruction are shown.
const maxShown = 80

// abridged returns the first line of an instruction, and not too much of it.
func abridged(source string) string {
	line, _, more := strings.Cut(strings.TrimSpace(source), "\n")
	line = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), `\`))
	if line = strings.Join(strings.Fields(line), " "); len(line) > maxShown {
		line, more = strings.ToValidUTF8(line[:maxShown], ""), true
	}
	if more {
		line += " ..."
	}
	return line
}

func (s *instruction) Run(ctx context.Context, b *build.Build) error {
	step, err := s.state.Next(s.step)
	if err != nil {
		return err
	}
	switch do := step.Do.(type) {
	case steps.Run:
		err = s.run(ctx, b, do)
	case steps.Copy:
		err = s.copy(ctx, b, do)
	case steps.Workdir:
		err = s.workdir(ctx, b, string(do))
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", abridged(s.step.Source), err)
	}
	return s.failed(s.step.Line, err)
}

// workdir makes a directory in the name of the user in force.
func (w *walk) workdir(ctx context.Context, b *build.Build, dir string) error {
	user := w.state.Config.User
	make := func(root *tree.Node) error {
		u, err := perm.FindUser(treeFile(root), user)
		if err != nil {
			return err
		}
		return mkdirs(root, dir, perm.Owner{UID: u.UID, GID: u.GID}, b.Time())
	}
	return b.Layer(ctx, w.at, build.Change{
		Kind: "workdir",
		Identify: func(k *key.Key) error {
			k.String("directory", dir).String("user", user)
			return nil
		},
		Do: func() error {
			b.Stage(w.at).Edit(make)
			return nil
		},
	})
}

// mkdirs makes a directory and its missing parents. time is in seconds since
// the epoch.
func mkdirs(root *tree.Node, dir string, o perm.Owner, time int64) error {
	if _, err := root.Follow(dir); err == nil {
		_, err = root.MkdirAll(dir, 0o755) // complains of what is no directory
		return err
	}
	if err := mkdirs(root, path.Dir(dir), o, time); err != nil {
		return err
	}
	made, err := root.MkdirAll(dir, 0o755)
	if err == nil {
		made.UID, made.GID, made.ModTime = o.UID, o.GID, time
	}
	return err
}
