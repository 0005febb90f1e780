// Package environ decides which variables the payload of a container gets, and
// what else follows from variables: which descriptors it keeps (KeptFDs). It
// also holds the scripts that set them for other programs (Actions).
//
// Input: the caller's variables, what the user wants set, and the names of the
// image's environment scripts. Output: the variables, when the scripts are
// simple enough to be evaluated in this process; otherwise a command line for
// the image's /bin/sh that makes the same variables and then runs the payload.
// The package reads no environment and opens no file of its own.
package environ

import (
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/runtime/bind"
)

// defaultPath is the PATH that scripts start with and that a container without
// any gets.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// prefixes begin the names of the variables of this program and of those whose
// interface it shares, in the order in which they count.
var prefixes = []string{"SEALIFT", "APPTAINER", "SINGULARITY"}

// variable is NAME=value; literal values are not subject to expansion. The
// origin says where it comes from, in the words of the user's options.
type variable struct {
	name, value string
	literal     bool
	origin      string
}

// Inputs is what the environment follows from.
type Inputs struct {
	// Caller is the caller's environment, NAME=value.
	Caller []string
	// Set are values of --env, lists of assignments NAME=value that beat
	// everything else, Files texts of such assignments in shell syntax.
	Set   []string
	Files []File
	// Drop are patterns of variables of the caller that stay outside. Clean keeps
	// all of them out but keptNames and the patterns Keep.
	Drop, Keep []string
	Clean      bool
	// Devices are NAME=value that follow from devices which the container gets.
	Devices []string
	// NoEval takes the values of Set, and of variables such as SEALIFTENV_X,
	// literally; otherwise they are expanded like double-quoted text.
	NoEval bool

	// Exact has the runscripts that the peers make of OCI images hand arguments on as
	// they are; they evaluate them otherwise.
	Exact bool

	// Home and Dir are the home and working directories in the container.
	Home, Dir string
	// Scripts are the image's environment scripts: absolute paths, in order.
	Scripts []string
	// Image is the absolute host path of the image, App the application of it,
	// Command the action, Shell the program of --shell, Binds the targets of the
	// user's binds.
	Image, App, Command, Shell string
	// Instance is the name of the instance, if the container is one.
	Instance string
	Binds    []string
	// UserShell is SHELL in the container; empty means the caller's.
	UserShell string
	// Prompt is the PS1 of interactive shells in images that set none of their own,
	// or empty where nobody is there to see one.
	Prompt string
	// Libraries, unless nil, returns the directories in which programs of the image
	// look for libraries. LibsShown says that libraries of the host are shown in
	// /.singularity.d/libs: those of the image are to come first.
	Libraries func() []string
	LibsShown bool
}

// File is a text and its name for messages.
type File struct{ Name, Text string }

// Environment says how the payload's variables come about: the image's scripts
// run with base set; after 99-base.sh the injected variables are set; after
// 99-runtimevars.sh the paths are extended, then the caller's variables are
// added where the scripts left a name alone, and final is set. A variable of the
// caller that the image sets to nothing is removed.
type Environment struct {
	base     []variable
	scripts  []string // absolute paths, in order
	injected []variable
	// libraries are directories that come before libsDir, when LD_LIBRARY_PATH has
	// nothing but that.
	libraries []string
	paths     []pathEdit
	caller    []variable
	final     []variable
	prompt    string
	notes     []string
	left      []variable // of the caller, with the reason
	// complete has directories that the image's own PATH lacks added to it
	// where the script that holds an OCI image's variables has set it.
	complete bool
}

// pathEdit replaces or extends a list of directories. origin names the
// variables that say so.
type pathEdit struct{ name, replace, prepend, append, origin string }

// New decides on all variables. The error is about the user's own input.
func New(in Inputs) (*Environment, error) {
	if err := errors.Join(checkPatterns("--no-env", in.Drop), checkPatterns("--env-keep", in.Keep)); err != nil {
		return nil, err
	}
	e := &Environment{scripts: in.Scripts, prompt: in.Prompt, complete: true}
	vars, err := in.injected()
	if err != nil {
		return nil, err
	}
	e.sort(vars)
	injected := map[string]string{}
	for _, v := range e.injected {
		injected[v.name] = v.origin
	}
	e.caller, e.left = in.forwarded()
	e.caller = slices.DeleteFunc(e.caller, func(v variable) bool { return injected[v.name] != "" })
	home := variable{name: "HOME", value: in.Home, origin: "the home directory"}
	about := in.described()
	e.base = append([]variable{home, {name: "PATH", value: defaultPath, origin: "the default"},
		{name: "PWD", value: in.Dir, origin: "the working directory"}}, about...)
	e.final = append([]variable{home}, about...)
	if host := lookup(in.Caller, "PATH"); host != "" && !in.Clean {
		e.final = append(e.final, variable{name: "USER_PATH", value: host, origin: "the caller's PATH"})
	}
	if in.UserShell != "" {
		e.final = append(e.final, variable{name: "SHELL", value: in.UserShell, origin: "the shell"})
	}
	e.final = slices.DeleteFunc(e.final, func(v variable) bool { return injected[v.name] != "" })
	if extends := slices.ContainsFunc(e.paths, func(p pathEdit) bool { return p.name == libraryPath }); in.Libraries != nil && (extends || in.LibsShown) {
		e.libraries = in.Libraries()
	}
	return e, nil
}

// Over returns the environment that an image's scripts make of environ. Nothing
// is added to it.
func Over(environ, scripts []string) *Environment {
	e := &Environment{scripts: scripts}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && validName(name) {
			e.base = append(e.base, variable{name: name, value: value, origin: "the caller"})
		}
	}
	return e
}

// Notes are remarks for the user, one line each.
func (e *Environment) Notes() []string { return e.notes }

// described are the variables that tell the payload where it runs, under all
// three prefixes, as scripts written for either program expect. The image's
// scripts see them too: they set up the application that one of them names.
func (in *Inputs) described() []variable {
	facts := []variable{
		{name: "CONTAINER", value: in.Image}, {name: "NAME", value: path.Base(in.Image)},
		{name: "APPNAME", value: in.App}, {name: "COMMAND", value: in.Command}, {name: "SHELL", value: in.Shell},
		{name: "INSTANCE", value: in.Instance},
		{name: "ENVIRONMENT", value: "/.singularity.d/env/91-environment.sh"},
		{name: "BIND", value: bind.Join(in.Binds)},
	}
	if in.NoEval {
		facts = append(facts, variable{name: "NO_EVAL", value: "1"})
	}
	var all []variable
	if in.Exact && !in.NoEval {
		all = append(all, variable{name: "SINGULARITY_NO_EVAL", value: "1", origin: "Sealift"})
	}
	for _, fact := range facts {
		for _, prefix := range prefixes {
			if fact.value != "" {
				all = append(all, variable{name: prefix + "_" + fact.name, value: fact.value, origin: "Sealift"})
			}
		}
	}
	return all
}
