// Package fromdef turns a definition into the steps of its build.
//
// Input: a definition.Recipe, facts of the host, and options. Output: steps of
// package build, in the order that Apptainer has: %pre, the base, applications,
// %files from stages, %setup, %files from the host, %post, metadata, %test.
// Compute is pure; its steps read the host's files and run scripts when the
// build takes them.
package fromdef

import (
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/bootstrap"
	"github.com/sealift/sealift/image/definition"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/scif"
)

// Compute returns the steps that build the recipe. It is pure: it looks at
// nothing but its arguments. Mistakes in the recipe are of type
// *definition.Error.
func Compute(r *definition.Recipe, h build.Host, o build.Options) ([]build.Step, error) {
	return computer{recipe: r, host: h, options: o, names: map[string]int{}}.compute()
}

func (c computer) compute() ([]build.Step, error) {
	r, h, o := c.recipe, c.host, c.options
	if err := o.Check(h); err != nil {
		return nil, err
	}
	r, err := r.Expand(o.Arguments, o.AllowUnused)
	if err != nil {
		return nil, err
	}
	if r, err = r.Select(o.Sections); err != nil {
		return nil, err
	}
	c.recipe = r
	c.add(build.Create(o))
	for i := range r.Stages {
		if err := c.stage(i); err != nil {
			return nil, err
		}
	}
	return c.steps, nil
}

type computer struct {
	recipe  *definition.Recipe
	host    build.Host
	options build.Options
	steps   []build.Step
	// image is what the recipe converts, if it is open already.
	image *oci.Image
	// names are the stages that are computed, by name.
	names map[string]int
}

func (c *computer) add(s build.Step) { c.steps = append(c.steps, s) }

// stage adds the steps of a stage: %pre, the base, applications, %files from
// stages, %setup, %files from the host, %post, metadata, %test. The last stage
// is packed before it is tested.
func (c *computer) stage(i int) error {
	s := &c.recipe.Stages[i]
	at := build.At{Index: i, Label: s.Name}
	if err := c.script(s, at, "pre", func(x command) build.Step { return &pre{x} }); err != nil {
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
	if err := c.script(s, at, "setup", func(x command) build.Step { return &setup{x} }); err != nil {
		return err
	}
	if err := c.files(s, at, false); err != nil {
		return err
	}
	if err := c.script(s, at, "post", func(x command) build.Step { return &post{x} }); err != nil {
		return err
	}
	if err := c.describe(s, at); err != nil {
		return err
	}
	if err := c.end(i, at); err != nil {
		return err
	}
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

// runs refuses a script in a container whose programs do not run here.
func (c *computer) runs(section string, line int) error {
	err := c.host.Foreign
	if err == nil {
		return nil
	}
	return hint.Wrap(c.recipe.Errorf(line, "%%%s runs programs for %s: %v", section, c.host.Arch, err), "%s", hint.Of(err))
}

func (c *computer) end(i int, at build.At) error {
	x, hasTest := c.recipe.Stages[i].Section("test")
	last := i == len(c.recipe.Stages)-1
	if last && c.options.Profile != "" {
		c.add(build.Measure(at, c.options.Profile))
	}
	if last {
		c.add(build.Pack(at, c.options, c.recipe.Text))
	}
	if hasTest && !c.options.NoTest {
		if err := c.runs("test", x.Line); err != nil {
			return err
		}
		c.add(build.Test(at, last))
	}
	if last {
		c.add(build.Commit(c.options))
	}
	return nil
}

// base adds the step that opens what the stage starts from.
func (c *computer) base(s *definition.Stage, at build.At) error {
	if c.options.Update && at.Index == len(c.recipe.Stages)-1 {
		step, err := bootstrap.New(at, bootstrap.Source{
			Agent: "localimage", From: c.options.Output, Layered: c.layered(s, at), Private: true,
		}, c.host)
		if err != nil {
			return err
		}
		c.add(step)
		return nil
	}
	agent, err := c.recipe.Agent(s)
	if err != nil {
		return err
	}
	header, _ := s.Header("bootstrap")
	if bootstrap.Later(agent) {
		return bootstrap.WithAgents(c.recipe.Errorf(header.Line, "agent %q is not supported yet", agent))
	}
	if h, ok := s.Header("fingerprints"); ok {
		return hint.Wrap(c.recipe.Errorf(h.Line, "Fingerprints are not supported yet, and are not ignored"),
			"verify the base image yourself and remove the line")
	}
	source := bootstrap.Source{Agent: agent, Headers: map[string]string{}, Layered: c.layered(s, at), Image: c.image}
	for _, h := range s.Headers {
		source.Headers[h.Key] = h.Value
	}
	line := header.Line
	if from, ok := s.Header("from"); ok {
		source.From, line = from.Value, from.Line
	}
	step, err := bootstrap.New(at, source, c.host)
	if err != nil {
		return hint.Wrap(c.recipe.Errorf(line, "%v", err), "%s", hint.Of(err))
	}
	c.add(step)
	return nil
}

// layered says whether a stage does more than to become an image with other
// metadata. Others than the last are there to be copied from.
func (c *computer) layered(s *definition.Stage, at build.At) bool {
	return at.Index < len(c.recipe.Stages)-1 || slices.ContainsFunc(s.Sections, func(x definition.Section) bool {
		switch x.Name {
		case "files", "setup", "post":
			return true
		}
		return strings.HasPrefix(x.Name, "app")
	})
}

// files adds one step for each line of the stage's %files sections, either of
// those from other stages or of those from the host.
func (c *computer) files(s *definition.Stage, at build.At, fromStages bool) error {
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
		source := build.OnHost
		if from != "" {
			i, ok := c.names[from]
			if !ok {
				return c.recipe.Errorf(section.Line, "no earlier stage is named %q", from)
			}
			source = build.At{Index: i, Label: from}
		}
		for _, f := range copies {
			c.add(&copyFiles{at: at, from: source, recipe: c.recipe.Name, Copy: f})
		}
	}
	return nil
}

// command is a script of the recipe and the program that reads it.
type command struct {
	at      build.At
	section string
	// args is the program and its arguments, but for the script's path.
	args []string
	body string
	line int
}

// script adds the step that step makes of a section, if there is one.
func (c *computer) script(s *definition.Stage, at build.At, name string, step func(command) build.Step) error {
	x, ok, err := scif.Script(c.recipe, s, name)
	if err != nil || !ok || strings.TrimSpace(x.Body) == "" {
		return err
	}
	if name == "post" {
		if err := c.runs("post", x.Line); err != nil {
			return err
		}
	}
	c.add(step(command{at, name, commandLine(x), x.Body, x.Line}))
	return nil
}

// describe adds the step that writes the metadata.
func (c *computer) describe(s *definition.Stage, at build.At) error {
	spec, err := metadata.FromRecipe(c.recipe, s)
	if err != nil {
		return err
	}
	d := &describe{at: at, spec: spec, headers: map[string]string{}}
	for _, h := range s.Headers {
		d.headers[h.Key] = h.Value
	}
	c.add(d)
	return nil
}
