package payload

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/scif"
	"github.com/sealift/sealift/runtime/view"
)

// Script is a script that an image may have, for itself and for each of its
// applications.
type Script struct {
	file   string // below the directory of the metadata
	name   string // in messages
	remedy string // for an image without it
	app    string // the section of a definition that gives it to an application
}

// Runscript is what run runs.
func Runscript() Script {
	return Script{metadata.Runscript, "runscript",
		"use sealift exec IMAGE COMMAND or sealift shell IMAGE, or build it with a %runscript section", "%apprun"}
}

// Test is what test runs.
func Test() Script {
	return Script{metadata.Test, "test script", "build the image with a %test section", "%apptest"}
}

// Startscript is what an instance runs, where the image has one.
func Startscript() Script {
	return Script{metadata.Startscript, "startscript", "build the image with a %startscript section", "%appstart"}
}

// Has says whether the image, or the application app of it, has the script.
func (f Files) Has(s Script, app string) bool { return f.Tree.IsFile(s.path(app)) }

// path is where the script of an application is, or, when app is empty, the
// image's.
func (s Script) path(app string) string {
	if app == "" {
		return path.Join("/", metadata.Dir, s.file)
	}
	return path.Join("/", scif.Meta(app), s.file)
}

// Script runs a script of the application app, or, when that is empty, of the
// image.
func (f Files) Script(s Script, app string, args []string) ([]string, error) {
	switch script := s.path(app); {
	case f.Tree.IsFile(script):
		return f.command(script, args), nil
	case app == "":
		return nil, hint.Wrap(missing{errors.New("the image has no " + s.name)}, "%s", s.remedy)
	}
	apps, err := f.apps()
	if err != nil {
		return nil, err
	}
	apps = slices.DeleteFunc(apps, func(app string) bool { return !f.Tree.IsFile(s.path(app)) })
	err = missing{fmt.Errorf("the application %s has no %s", app, s.name)}
	if len(apps) == 0 {
		return nil, hint.Wrap(err, "use sealift exec --app %s IMAGE COMMAND, or build the image with a %s %s section", app, s.app, app)
	}
	return nil, hint.Wrap(err, "use sealift exec --app %s IMAGE COMMAND, or an application that has one: %s", app, strings.Join(apps, ", "))
}

// Evaluates says whether the script is one that the peers made of an OCI image's
// ENTRYPOINT and CMD. They have a shell evaluate their arguments a second time,
// unless a variable keeps them from it.
func (f Files) Evaluates(s Script, app string) bool {
	if app != "" || !f.Has(s, app) {
		return false
	}
	at, err := f.Tree.Resolve(s.path(app))
	if err != nil || !at.Found || !f.Tree.Original(at.Path) {
		return false
	}
	text, err := image.ReadFile(f.Image, view.Relative(at.Path), maxScript)
	return err == nil && bytes.Contains(text, []byte("\nOCI_ENTRYPOINT='"))
}

// maxScript bounds the scripts that are looked at, in bytes.
const maxScript = 1 << 20

// CheckApp fails when the image has no application of that name. An empty name
// stands for none.
func (f Files) CheckApp(app string) error {
	if app == "" {
		return nil
	}
	apps, err := f.apps()
	if err == nil && !slices.Contains(apps, app) {
		err = missing{scif.Missing(app, apps)}
	}
	return err
}

// apps lists the applications by name, those in directories that the user
// binds over the image's too.
func (f Files) apps() ([]string, error) {
	names, err := f.Tree.Names("/" + scif.AppsDir)
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("list the applications in /%s: %w", scif.AppsDir, err), "the image is damaged: build or pull it again")
	}
	return slices.DeleteFunc(names, func(app string) bool {
		mode, found := f.Tree.Stat("/" + scif.Meta(app))
		return !found || !mode.IsDir()
	}), nil
}
