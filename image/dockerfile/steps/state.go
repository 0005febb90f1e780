package steps

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	spec "github.com/moby/docker-image-spec/specs-go/v1"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Config is the configuration of an image: OCI's, with the fields that Docker
// adds to it: Healthcheck, OnBuild and Shell. Its JSON is that of "config" in
// an image's configuration.
//
// Of what becomes a Sealift image, Env is its environment, Entrypoint and Cmd
// are its run script, WorkingDir is where that begins, and Labels are its
// labels. The rest is recorded and not acted upon: a container runs as its
// caller, so User matters to the steps of a build alone, and its network,
// volumes, health and signals are the caller's as well.
type Config = spec.DockerOCIImageConfig

// defaultPath is what PATH is where an image has none, as in Docker.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// State is what the steps of a stage act upon beside files.
type State struct {
	// Config is that of the image as far as the steps have come. Only
	// Next changes it.
	Config Config

	// vars are the variables that steps see: Config.Env and arguments, the
	// later one of a name; at are the places of names in Config.Env.
	vars    map[string]string
	at      map[string]int
	proxies map[string]string
	// cmd is set once the stage itself has a CMD.
	cmd bool
	// left are the bytes that expansion may still put in.
	left int
}

// Begin returns the state of a stage upon an image of configuration base,
// which is left alone. For scratch it is the zero Config. The proxies are
// variables of every RUN and of nothing else.
func Begin(base Config, proxies map[string]string) *State {
	s := &State{Config: clone(base), vars: map[string]string{}, at: map[string]int{}, proxies: proxies, left: MaxExpansion}
	env := s.Config.Env
	s.Config.Env, s.Config.OnBuild = nil, nil
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		s.setenv(name, value)
	}
	if _, ok := s.vars["PATH"]; !ok {
		s.setenv("PATH", defaultPath)
	}
	if s.Config.WorkingDir == "" {
		s.Config.WorkingDir = "/"
	}
	return s
}

// Derive returns the state of a stage upon one that has come to its end in s.
// The arguments that s has in scope remain so.
func (s *State) Derive() *State {
	d := *s
	d.Config, d.vars, d.at = clone(s.Config), maps.Clone(s.vars), maps.Clone(s.at)
	d.Config.OnBuild, d.cmd = nil, false
	return &d
}

// clone copies what Next changes in place.
func clone(c Config) Config {
	c.Env, c.OnBuild = slices.Clone(c.Env), slices.Clone(c.OnBuild)
	c.Labels, c.Volumes, c.ExposedPorts = maps.Clone(c.Labels), maps.Clone(c.Volumes), maps.Clone(c.ExposedPorts)
	return c
}

// Environ returns the environment of a RUN, sorted: variables and arguments,
// and proxies under names that have no other value.
func (s *State) Environ() []string {
	all := maps.Clone(s.proxies)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, s.vars)
	var env []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		env = append(env, name+"="+all[name])
	}
	return env
}

// Next expands a step with the variables in scope, notes in s what it changes,
// and returns it ready to be done: paths are absolute, and the shell in force
// is in front of a line for it. The steps of a stage are to be given in order.
// After an error s is as it was, but for the cost.
func (s *State) Next(step Step) (Step, error) {
	next, err := step.expand(s.vars, &s.left)
	if err != nil {
		return Step{}, err
	}
	if next.Do, err = s.finish(next.Do); err != nil {
		return Step{}, step.Form.Place(step.Line, err)
	}
	s.note(next.Do)
	return next, nil
}

// finish completes an instruction by what is in force.
func (s *State) finish(do Instruction) (Instruction, error) {
	switch do := do.(type) {
	case Copy:
		do.Dest = s.absolute(do.Dest)
		return do, nil
	case Workdir:
		return Workdir(path.Join("/", s.absolute(string(do)))), nil
	case Entrypoint:
		return Entrypoint{s.shell(do.Command)}, nil
	case Cmd:
		return Cmd{s.shell(do.Command)}, nil
	case Run:
		do.Command = s.shell(do.Command)
		var err error
		do.Mounts, err = s.targets(do.Mounts)
		return do, err
	case Expose:
		return s.ports(do)
	case StopSignal:
		if !isSignal(string(do)) {
			return nil, fmt.Errorf("%q is not a signal of Linux", string(do))
		}
	}
	return do, nil
}

// targets returns mounts with absolute targets.
func (s *State) targets(mounts []Mount) ([]Mount, error) {
	mounts = slices.Clone(mounts)
	for i, m := range mounts {
		if m.Target == "" {
			continue
		}
		if mounts[i].Target = path.Clean(s.absolute(m.Target)); mounts[i].Target == "/" {
			return nil, hint.New(fmt.Sprintf("mount %q goes to /", m.Options), "give it a target below /")
		}
	}
	return mounts, nil
}

// shell puts the shell in force, by default /bin/sh -c, in front of a line.
func (s *State) shell(c Command) Command {
	if !c.Shell {
		return c
	}
	shell := s.Config.Shell
	if len(shell) == 0 {
		shell = []string{"/bin/sh", "-c"}
	}
	return Command{Words: append(slices.Clone(shell), strings.Join(c.Words, " "))}
}

// absolute returns p from the root, a slash at its end kept: it means a directory.
func (s *State) absolute(p string) string {
	isDir := p == "" || p == "." || strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.")
	if !path.IsAbs(p) {
		p = path.Join(s.Config.WorkingDir, p)
	}
	if p = path.Join("/", p); isDir && p != "/" {
		p += "/"
	}
	return p
}

// setenv sets a variable of the image.
func (s *State) setenv(name, value string) {
	s.vars[name] = value
	if i, ok := s.at[name]; ok {
		s.Config.Env[i] = name + "=" + value
		return
	}
	s.at[name] = len(s.Config.Env)
	s.Config.Env = append(s.Config.Env, name+"="+value)
}

// note applies an instruction to the configuration as Docker does. What it
// replaces is never changed in place, so that states may share it.
func (s *State) note(do Instruction) {
	c := &s.Config
	switch do := do.(type) {
	case Arg:
		for _, d := range do {
			if d.Set {
				s.vars[d.Name] = d.Value
			}
		}
	case Env:
		for _, p := range do {
			s.setenv(p.Name, p.Value)
		}
	case Workdir:
		c.WorkingDir = string(do)
	case User:
		c.User = string(do)
	case Shell:
		c.Shell = do
	case Cmd:
		c.Cmd, s.cmd = do.Words, true
	case Entrypoint:
		// One that the base image's CMD was not made for makes that void.
		if c.Entrypoint = do.Words; !s.cmd {
			c.Cmd = nil
		}
	case StopSignal:
		c.StopSignal = string(do)
	case Healthcheck:
		check := spec.HealthcheckConfig(do)
		c.Healthcheck = &check
	case Onbuild:
		c.OnBuild = append(c.OnBuild, string(do))
	default:
		noteMaps(&c.ImageConfig, do)
	}
}

// noteMaps applies the instructions that add to a map.
func noteMaps(c *v1.ImageConfig, do Instruction) {
	switch do := do.(type) {
	case Label:
		for _, p := range do {
			put(&c.Labels, p.Name, p.Value)
		}
	case Maintainer:
		put(&c.Labels, v1.AnnotationAuthors, string(do))
	case Expose:
		for _, port := range do {
			put(&c.ExposedPorts, port, struct{}{})
		}
	case Volume:
		for _, p := range do {
			put(&c.Volumes, p, struct{}{})
		}
	}
}

func put[V any](m *map[string]V, key string, value V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = value
}
