// Package scif is the applications of an image, after the Scientific
// Filesystem: what the %app… sections of a definition become below /scif.
//
// Input: the applications of a stage, as package definition spells them, or an
// image's file system. Output: edits of the stage's tree before %post, and
// %post with what installs them at its end; or what inspect prints of an
// image's applications. It is pure but for reading the image. Copying
// %appfiles from the host is image/build's.
//
// The layout is the one that Apptainer and SingularityCE write and run:
//
//	/scif/apps/NAME/            what %appfiles and %appinstall put there
//	/scif/apps/NAME/bin, lib    in front of PATH and LD_LIBRARY_PATH
//	/scif/apps/NAME/scif/       runscript, startscript, test, runscript.help,
//	                            labels.json, Singularity, env/*.sh
//	/scif/data/NAME/input, output
//
// The image's own env/94-appsbase.sh names the parts of every application, and
// env/95-apps.sh sets up the one that SINGULARITY_APPNAME names.
package scif

import (
	"encoding/json"
	"fmt"
	"path"

	"github.com/sealift/sealift/image/definition"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/tree"
)

// AppsDir is where the applications are, relative to the root; dataDir is for
// their data.
const (
	AppsDir = "scif/apps"
	dataDir = "scif/data"
)

// Dir is where an application is, relative to the root. Below it, metaDir has
// what the recipe says of it.
func Dir(app string) string { return path.Join(AppsDir, app) }

// Meta is the directory of an application's metadata, relative to the root. A
// directory in AppsDir is an application if it has one.
func Meta(app string) string { return path.Join(Dir(app), metaDir) }

// metaDir is the directory of an application's metadata in its own.
const metaDir = "scif"

// Paths below metaDir; the others are as in the image's own metadata.
const (
	baseScript        = "env/01-base.sh"
	environmentScript = "env/90-environment.sh"
)

// Put makes the applications in root: their directories where they are not
// yet, their metadata in place of what a base has of the same name, and the
// scripts of the image that make all applications known. time is the
// modification time in seconds since the epoch.
func Put(root *tree.Node, apps []definition.App, time int64) error {
	for _, a := range apps {
		if err := put(root, a, time); err != nil {
			return fmt.Errorf("application %s of line %d: %w", a.Name, a.Line, err)
		}
	}
	names, err := exports(root)
	if err != nil {
		return err
	}
	metadata.Files{"env/94-appsbase.sh": names, "env/95-apps.sh": activate}.Put(root, time)
	return nil
}

func put(root *tree.Node, a definition.App, time int64) error {
	meta := Meta(a.Name)
	data := path.Join(dataDir, a.Name)
	for _, name := range []string{
		"scif", AppsDir, dataDir, Dir(a.Name), path.Join(Dir(a.Name), "bin"), path.Join(Dir(a.Name), "lib"),
		meta, path.Join(meta, "env"), data, path.Join(data, "input"), path.Join(data, "output"),
	} {
		if err := makeDir(root, name, time); err != nil {
			return err
		}
	}
	texts, err := files(a)
	if err != nil {
		return err
	}
	for name, f := range texts {
		n := &tree.Node{Mode: tree.TypeRegular | f.perm, ModTime: time, Content: tree.Bytes(f.text)}
		if err := root.Insert(path.Join(meta, name), n); err != nil {
			return err
		}
	}
	return nil
}

// makeDir makes a directory whose parent exists, unless it is there.
func makeDir(root *tree.Node, name string, time int64) error {
	_, err := root.Follow(name)
	dir, failed := root.MkdirAll(name, 0o755)
	if failed == nil && err != nil {
		dir.ModTime = time
	}
	return failed
}

// file is one file of an application's metadata.
type file struct {
	perm uint32
	text string
}

// files returns an application's metadata by path below metaDir: only what
// its sections spell, but for the base script and the labels.
func files(a definition.App) (map[string]file, error) {
	labels := map[string]string{"SCIF_APP_NAME": a.Name}
	for _, l := range a.Labels {
		labels[l.Key] = l.Value
	}
	text, err := json.MarshalIndent(labels, "", "\t")
	if err != nil {
		return nil, err
	}
	out := map[string]file{
		baseScript:          {0o755, base(a.Name)},
		metadata.LabelsFile: {0o644, string(text) + "\n"},
		metadata.Definition: {0o644, a.Text},
	}
	if a.Environment != "" {
		out[environmentScript] = file{0o755, "#!/bin/sh\n" + a.Environment}
	}
	if a.Help != "" {
		out[metadata.Help] = file{0o644, a.Help}
	}
	for name, script := range map[string]*definition.Script{
		metadata.Runscript: a.Run, metadata.Startscript: a.Start, metadata.Test: a.Test,
	} {
		if script != nil {
			out[name] = file{0o755, script.Executable()}
		}
	}
	return out, nil
}
