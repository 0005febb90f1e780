package images

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
)

// appImage is a directory with one application, as an image.
func appImage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"bin/sh": "", ".singularity.d/runscript": "image\n", ".singularity.d/Singularity": "whole",
		"scif/apps/foo/scif/runscript": "foo\n", "scif/apps/foo/scif/Singularity": "part", "scif/apps/foo/scif/startscript": "start\n",
		"scif/apps/foo/scif/labels.json": `{"a": "\u001bb"}`,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestInspectApp(t *testing.T) {
	dir := appImage(t)
	const head, tail = `{"data":{"attributes":{`, `}},"type":"container"}`
	for _, c := range []struct {
		a    aspects
		want string
	}{
		{aspects{runscript: true}, "image\n"},
		{aspects{app: "foo", runscript: true}, "foo\n"},
		{aspects{app: "foo", deffile: true, startscript: true}, "part\nstart\n"},
		{aspects{app: "foo"}, "a: \ufffdb\n"},
		{aspects{listApps: true}, "foo\n"},
		{aspects{listApps: true, app: "foo", runscript: true}, "foo\nfoo\n"},
		{aspects{app: "foo", runscript: true, json: true}, head + `"apps":{"foo":{"runscript":"foo\n"}}` + tail},
		{aspects{app: "foo", deffile: true, startscript: true, json: true},
			head + `"apps":{"foo":{}},"deffile":"part","startscript":"start\n"` + tail},
		{aspects{listApps: true, json: true}, head + `"apps":{"foo":{"labels":{"a":"\u001bb"},"runscript":"foo\n"}}` + tail},
		{aspects{listApps: true, app: "foo", json: true}, head + `"apps":{"foo":{"labels":{"a":"\u001bb"},"runscript":"foo\n"}}` + tail},
		{aspects{all: true, app: "magic"},
			head + `"apps":{"foo":{"labels":{"a":"\u001bb"},"runscript":"foo\n"}},"runscript":"image\n","deffile":"whole"` + tail},
	} {
		var out bytes.Buffer
		if err := inspect(&ui.Process{Terminal: ui.Terminal{Out: &out}}, dir, c.a, image.Options{}); err != nil {
			t.Errorf("%+v: %v", c.a, err)
			continue
		}
		got := out.String()
		if c.a.json || c.a.all {
			var b bytes.Buffer
			if err := json.Compact(&b, out.Bytes()); err != nil {
				t.Fatal(err)
			}
			got = strings.TrimSpace(b.String())
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.a, got, c.want)
		}
	}
	err := inspect(&ui.Process{}, dir, aspects{app: "magic"}, image.Options{})
	if err == nil || !strings.Contains(err.Error(), dir+": the image has no application magic") || hint.Of(err) != "choose one that it has: foo" {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
}

func TestRunHelp(t *testing.T) {
	dir := appImage(t)
	if err := os.WriteFile(filepath.Join(dir, ".singularity.d/runscript.help"), []byte("help"), 0o644); err != nil {
		t.Fatal(err)
	}
	for app, want := range map[string][2]string{"": {"help\n", ""}, "foo": {"", "sealift: the application foo has no help\n"}} {
		var out, msg bytes.Buffer
		if err := runHelp(&ui.Process{Terminal: ui.Terminal{Out: &out, Err: &msg}}, dir, app, image.Options{}); err != nil || out.String() != want[0] || msg.String() != want[1] {
			t.Errorf("%q: %v, %q, %q", app, err, &out, &msg)
		}
	}
	if err := runHelp(&ui.Process{}, dir, "magic", image.Options{}); err == nil {
		t.Error("an application that is not there")
	}
}
