package spec

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/environ"
	"github.com/sealift/sealift/runtime/payload"
	"github.com/sealift/sealift/runtime/shell"
	"github.com/sealift/sealift/runtime/view"
	"github.com/sealift/sealift/starter/plan"
)

// process decides on the payload.
func (p *planner) process() (plan.Process, error) {
	args, err := p.command()
	if err != nil {
		return plan.Process{}, err
	}
	proc := plan.Process{Args: args, Dirs: p.dirs(), Umask: -1, Init: p.req.newPID() && !p.req.NoInit}
	if p.req.NoUmask {
		proc.Umask = 0o022
	}
	switch {
	case p.req.Instance != "" && !p.joins:
		// What it would hold open is waited for by who has started it.
		proc.CloseFDs, proc.Stay = true, p.req.Stay
	case p.req.contain():
		proc.CloseFDs, proc.KeepFDs = true, environ.KeptFDs(p.Facts.Environ)
	}
	if len(args) == 0 {
		return proc, nil
	}
	e, err := p.environ(args)
	if err != nil {
		return plan.Process{}, err
	}
	p.variables = e
	p.Notes = append(p.Notes, e.Notes()...)
	proc.Env, err = e.Evaluate(environ.Files(p.Tree, p.Image.FS))
	p.Notes = append(p.Notes, p.gpu.Unmet(proc.Env)...)
	if errors.Is(err, shell.ErrNeedsContainer) {
		err = p.needShell(err)
		proc.Args, proc.Env = e.Script(args)
	}
	return proc, err
}

// needShell fails when the image lacks the shell that its scripts need because
// of cause.
func (p *planner) needShell(cause error) error {
	if p.Tree.IsFile("/bin/sh") {
		return nil
	}
	return hint.Wrap(fmt.Errorf("the image's environment scripts cannot run without /bin/sh: %w", cause),
		"build the image on a base that has a shell, or simplify %%environment to assignments")
}

// command returns the payload's command line.
func (p *planner) command() ([]string, error) {
	r, files := &p.req, payload.Files{Tree: p.Tree, Image: p.Image.FS}
	if err := files.CheckApp(r.App); err != nil {
		return nil, err
	}
	switch r.Action {
	case Exec:
		return files.Exec(r.Args)
	case Run:
		return files.Script(payload.Runscript(), r.App, r.Args)
	case Test:
		return files.Script(payload.Test(), r.App, r.Args)
	case Shell:
		return files.Shell(r.Shell, r.Args)
	case Start:
		if s := payload.Startscript(); r.App != "" || files.Has(s, "") {
			return files.Script(s, r.App, r.Args)
		}
		return nil, nil
	}
	return nil, hint.New(fmt.Sprintf("unknown action %q", r.Action), "use exec, run, shell or test")
}

// dirs lists the candidates for the working directory. The one that the user
// named must do; the caller's gives way to the home directory and the root.
func (p *planner) dirs() []string {
	if p.req.Pwd != "" {
		return []string{p.req.Pwd}
	}
	var dirs []string
	if dir := p.Image.WorkDir; p.req.OCIPwd && dir != "" && p.ofImage(dir) {
		dirs = append(dirs, dir)
	}
	if p.Facts.Cwd != "" && !p.req.contain() && p.shown(p.Facts.Cwd) {
		dirs = append(dirs, p.Facts.Cwd)
	}
	if p.id.Home != "" && p.shown(p.id.Home) {
		dirs = append(dirs, p.id.Home)
	}
	return slices.Compact(append(dirs, "/"))
}

// ofImage says whether a directory that the image names is one that may be
// entered: it has one there, and it is not the kernel's, in which paths may lead
// out of the container.
func (p *planner) ofImage(dir string) bool {
	at, err := p.Tree.Resolve(dir)
	return err == nil && at.Found && at.Mode.IsDir() && p.Tree.Governing(at.Path).From != view.Kernel
}

// shown says whether a directory exists in the container, or may exist where
// the kernel decides.
func (p *planner) shown(dir string) bool {
	at, err := p.Tree.Resolve(dir)
	if err != nil {
		return false
	}
	return at.Found && at.Mode.IsDir() || p.Tree.Governing(at.Path).From == view.Kernel
}

// checkPwd refuses a working directory that cannot be one.
func (p *planner) checkPwd() error {
	if p.req.Pwd == "" {
		if dir := p.Image.WorkDir; p.req.OCIPwd && dir != "" && !p.ofImage(dir) {
			p.Note("the image's WORKDIR %s is no directory in the container", dir)
		}
		return nil
	}
	if !path.IsAbs(p.req.Pwd) {
		return hint.New(fmt.Sprintf("--cwd %q is not an absolute path", p.req.Pwd), "give the full path in the container")
	}
	if !p.shown(p.req.Pwd) {
		return hint.New(fmt.Sprintf("--cwd %s: there is no such directory in the container", p.req.Pwd),
			"bind it with --bind, or name a directory of the image")
	}
	return nil
}

// environ gathers what the variables of the payload, args, follow from.
func (p *planner) environ(args []string) (*environ.Environment, error) {
	r := &p.req
	in := environ.Inputs{
		Caller: p.Facts.Environ, Set: r.Env, Drop: r.NoEnv, Keep: r.EnvKeep, Clean: r.CleanEnv || r.ContainAll, NoEval: r.NoEval,
		Home: p.id.Home, Dir: p.dirs()[0],
		Image: p.Image.Title(p.Absolute), App: r.App, Command: string(r.Action), Instance: r.Instance, Binds: p.binds, Devices: p.gpu.Variables(),
	}
	switch r.Action {
	case Shell:
		if in.Shell = r.Shell; r.Shell == "" {
			in.UserShell = args[0]
		}
	case Run:
		in.Exact = payload.Files{Tree: p.Tree, Image: p.Image.FS}.Evaluates(payload.Runscript(), r.App)
	}
	if r.Action == Shell || p.Facts.Terminal {
		in.Prompt = prompt
	}
	libs, err := p.Tree.Names(libsDir)
	in.LibsShown, in.Libraries = err == nil && len(libs) > 0, func() []string { return environ.LibraryDirs(p.Tree, p.Image.FS) }
	for _, name := range r.EnvFiles {
		text, err := p.Facts.ReadFile(p.Absolute(name), shell.MaxScript)
		if err != nil {
			return nil, hint.Wrap(fmt.Errorf("--env-file: %w", err), "name a readable file of NAME=value lines")
		}
		in.Files = append(in.Files, environ.File{Name: name, Text: text})
	}
	if in.Scripts, err = environ.Scripts(p.Tree); err != nil {
		return nil, err
	}
	return environ.New(in)
}

// prompt is what an interactive shell shows.
const prompt = "Sealift> "

// libsDir is where libraries of the host are shown.
const libsDir = "/.singularity.d/libs"
