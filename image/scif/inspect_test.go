package scif

import (
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/metadata"
	"github.com/sealift/sealift/image/tree"
)

// inMemory returns the file system of an image with the applications of
// testdata/apps.def.
func inMemory(t *testing.T) fstest.MapFS {
	t.Helper()
	root := tree.NewDir(0o755)
	if err := Put(root, fromFile(t), 0); err != nil {
		t.Fatal(err)
	}
	img := fstest.MapFS{}
	for name, n := range root.Walk() {
		if mode := fs.FileMode(n.Mode & 0o777); n.IsDir() {
			img[name] = &fstest.MapFile{Mode: mode | fs.ModeDir}
		} else {
			img[name] = &fstest.MapFile{Mode: mode, Data: []byte(text(t, n))}
		}
	}
	return img
}

func TestList(t *testing.T) {
	img := inMemory(t)
	img["scif/apps/plain/bin"] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
	img["scif/apps/file"] = &fstest.MapFile{}
	img["scif/apps/odd/scif"] = &fstest.MapFile{}
	if got, err := List(img); err != nil || !slices.Equal(got, []string{"bar-2.0", "foo"}) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := List(fstest.MapFS{}); err != nil || len(got) != 0 {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := List(broken{img}); err == nil || !strings.Contains(err.Error(), "applications: ") {
		t.Errorf("a directory that cannot be read: %v", err)
	}
}

// broken has directories that cannot be read.
type broken struct{ fstest.MapFS }

func (broken) ReadDir(string) ([]fs.DirEntry, error) { return nil, syscall.EIO }

func TestInspect(t *testing.T) {
	img := inMemory(t)
	all, err := Inspect(img)
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	want := metadata.AppAttributes{
		Environment: map[string]string{"/scif/apps/foo/scif/env/90-environment.sh": "#!/bin/sh\n    export WHO=\"foo of $SCIF_APPROOT\"\n"},
		Labels:      map[string]string{"SCIF_APP_NAME": "foo", "Version": "1.0", "maintainer": `"Jane Doe" # physics`},
		Runscript:   "#!/bin/bash\n    echo \"run $WHO\"\n", Test: "#!/usr/bin/env python3\nprint(\"ok\")\n",
		Helpfile: "    How to run foo.\n",
	}
	if !reflect.DeepEqual(all["foo"], want) {
		t.Errorf("%+v\nwant %+v", all["foo"], want)
	}
	one, err := InspectApp(img, "foo")
	if err != nil || !reflect.DeepEqual(one.AppAttributes, want) || one.Startscript != "#!/bin/sh\n    sleep 1\n" ||
		!strings.HasPrefix(one.Deffile, "%appinstall foo\n") {
		t.Errorf("%+v, %v", one, err)
	}
	if bar := all["bar-2.0"]; len(bar.Environment) != 0 || !maps.Equal(bar.Labels, map[string]string{"SCIF_APP_NAME": "bar-2.0"}) {
		t.Errorf("%+v", bar)
	}
}

func TestInspectErrors(t *testing.T) {
	img := inMemory(t)
	for _, app := range []string{"magic", "", "..", "foo/"} {
		_, err := InspectApp(img, app)
		if err == nil || err.Error() != "the image has no application "+app || hint.Of(err) != "choose one that it has: bar-2.0, foo" {
			t.Errorf("%s: %v, hint %q", app, err, hint.Of(err))
		}
	}
	img["scif/apps/foo/scif/labels.json"] = &fstest.MapFile{Data: []byte("[]")}
	for _, inspect := range []func() error{
		func() error { _, err := Inspect(img); return err },
		func() error { _, err := InspectApp(img, "foo"); return err },
	} {
		if err := inspect(); err == nil || !strings.Contains(err.Error(), "/scif/apps/foo/scif/labels.json: ") {
			t.Errorf("bad labels: %v", err)
		}
	}
	if _, err := InspectApp(broken{img}, "foo"); err == nil {
		t.Error("a directory that cannot be read")
	}
}

// TestInspectBounds: a hostile image does not take all memory.
func TestInspectBounds(t *testing.T) {
	img := fstest.MapFS{}
	for i := range maxApps + 1 {
		img[Meta(strconv.Itoa(i))] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
	}
	if _, err := Inspect(img); err == nil || !strings.Contains(err.Error(), "expected at most 1024") {
		t.Errorf("many applications: %v", err)
	}
	clear(img)
	long := make([]byte, 4<<20)
	for i := range 9 {
		img[Meta(strconv.Itoa(i))+"/"+metadata.Help] = &fstest.MapFile{Data: long}
	}
	if _, err := Inspect(img); err == nil || !strings.Contains(err.Error(), "more than 33554432 bytes") {
		t.Errorf("long texts: %v", err)
	}
}
