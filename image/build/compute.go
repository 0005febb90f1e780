package build

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/definition"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/scif"
)

// The agents that Compute knows: those that can be built from, and those that
// other builders have.
var (
	ociAgents   = []string{"docker-archive", "oci", "oci-archive"}
	localAgents = []string{"localimage", "scratch"}
	laterAgents = []string{
		"docker", "docker-daemon", "library", "oras", "shub", "yum", "dnf", "debootstrap",
		"arch", "zypper", "busybox", "buildkit", "dockerfile",
	}
)

// Compute returns the steps that build the recipe. It is pure: it looks at
// nothing but its arguments. Mistakes in the recipe are of type
// *definition.Error.
func Compute(r *definition.Recipe, h Host, o Options) ([]Step, error) {
	if o.Output == "" {
		return nil, errors.New("no output named")
	}
	if o.Profile != "" && o.Sandbox {
		return nil, hint.New("a profile orders the files of an image, and a directory has no order", "build a SIF file, or leave the profile out")
	}
	r, err := r.Expand(o.Arguments, o.AllowUnused)
	if err != nil {
		return nil, err
	}
	c := computer{recipe: r, host: h, options: o, names: map[string]int{}}
	c.add(&create{o})
	for i := range r.Stages {
		if err := c.stage(i); err != nil {
			return nil, err
		}
	}
	return c.steps, nil
}

type computer struct {
	recipe  *definition.Recipe
	host    Host
	options Options
	steps   []Step
	// names are the stages that are computed, by name.
	names map[string]int
}

func (c *computer) add(s Step) { c.steps = append(c.steps, s) }

// stage adds the steps of a stage: %pre, the base, applications, %files from
// stages, %setup, %files from the host, %post, metadata, %test. The last stage
// is packed before it is tested.
func (c *computer) stage(i int) error {
	s := &c.recipe.Stages[i]
	at := stageRef{i, s.Name}
	if err := c.script(s, "pre", func(x command) Step { return &pre{at, x} }); err != nil {
		return err
	}
	if err := c.base(s, at); err != nil {
		return err
	}
	if err := c.apps(s, at); err != nil {
		return err
	}
	if err := c.files(s, at, true); err != nil {
		return err
	}
	if err := c.script(s, "setup", func(x command) Step { return &setup{at, x} }); err != nil {
		return err
	}
	if err := c.files(s, at, false); err != nil {
		return err
	}
	if err := c.script(s, "post", func(x command) Step { return &post{at, x} }); err != nil {
		return err
	}
	if err := c.describe(s, at); err != nil {
		return err
	}
	c.end(i, at)
	return c.name(i)
}

// name makes the stage known to those after it.
func (c *computer) name(i int) error {
	s := &c.recipe.Stages[i]
	if s.Name == "" {
		return nil
	}
	if _, twice := c.names[s.Name]; twice {
		return c.recipe.Errorf(s.Line, "second stage named %q; expected different names", s.Name)
	}
	c.names[s.Name] = i
	return nil
}

func (c *computer) end(i int, at stageRef) {
	_, hasTest := c.recipe.Stages[i].Section("test")
	last := i == len(c.recipe.Stages)-1
	if last && c.options.Profile != "" {
		c.add(&measure{at, c.options.Profile})
	}
	if last {
		c.add(&pack{at: at, options: c.options, arch: c.host.Arch, definition: c.recipe.Text})
	}
	if hasTest && !c.options.NoTest {
		c.add(&test{at: at, packed: last})
	}
	if last {
		c.add(&commit{c.options.Output})
	}
}

// base adds the step that opens what the stage starts from.
func (c *computer) base(s *definition.Stage, at stageRef) error {
	agent, err := c.recipe.Agent(s)
	if err != nil {
		return err
	}
	bootstrap, _ := s.Header("bootstrap")
	if slices.Contains(laterAgents, agent) {
		return withAgents(c.recipe.Errorf(bootstrap.Line, "agent %q is not supported yet", agent))
	}
	if h, ok := s.Header("fingerprints"); ok {
		return hint.Wrap(c.recipe.Errorf(h.Line, "Fingerprints are not supported yet, and are not ignored"),
			"verify the base image yourself and remove the line")
	}
	f := &fetch{at: at, agent: agent, arch: c.host.Arch}
	defer c.add(f)
	if agent == "scratch" {
		return nil
	}
	from, _ := s.Header("from")
	if agent == "localimage" {
		f.path = c.absolute(from.Value)
		return nil
	}
	f.name = agent + ":" + from.Value
	if f.ref, err = oci.ParseReference(f.name); err != nil {
		return hint.Wrap(c.recipe.Errorf(from.Line, "%v", err), "%s", hint.Of(err))
	}
	f.ref.Path = c.absolute(f.ref.Path)
	return nil
}

func (c *computer) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.host.Dir, path)
}

// withAgents names what can be built from.
func withAgents(err error) error {
	return hint.Wrap(err, "use one of the agents %s", strings.Join(slices.Concat(ociAgents, localAgents), ", "))
}

// files adds one step for each line of the stage's %files sections, either of
// those from other stages or of those from the host.
func (c *computer) files(s *definition.Stage, at stageRef, fromStages bool) error {
	for _, section := range s.Sections {
		if section.Name != "files" {
			continue
		}
		from, copies, err := c.recipe.Files(section)
		if err != nil {
			return err
		}
		if (from != "") != fromStages {
			continue
		}
		source := stageRef{index: -1}
		if from != "" {
			i, ok := c.names[from]
			if !ok {
				return c.recipe.Errorf(section.Line, "no earlier stage is named %q", from)
			}
			source = stageRef{i, from}
		}
		for _, f := range copies {
			c.add(&copyFiles{at: at, from: source, recipe: c.recipe.Name, Copy: f})
		}
	}
	return nil
}

// command is a script of the recipe and the program that reads it.
type command struct {
	// args is the program and its arguments, but for the script's path.
	args []string
	body string
	line int
}

// script adds the step that step makes of a section, if there is one.
func (c *computer) script(s *definition.Stage, name string, step func(command) Step) error {
	x, ok, err := scif.Script(c.recipe, s, name)
	if err != nil || !ok || strings.TrimSpace(x.Body) == "" {
		return err
	}
	args := append(slices.Clone(x.Shell), x.Args...)
	if x.Shell == nil {
		args = append([]string{"/bin/sh", "-ex"}, x.Args...)
	}
	c.add(step(command{args, x.Body, x.Line}))
	return nil
}

// describe adds the step that writes the metadata.
func (c *computer) describe(s *definition.Stage, at stageRef) error {
	spec, err := metadata.FromRecipe(c.recipe, s)
	if err != nil {
		return err
	}
	d := &describe{at: at, host: c.host, spec: spec, headers: map[string]string{}}
	for _, h := range s.Headers {
		d.headers[h.Key] = h.Value
	}
	c.add(d)
	return nil
}
