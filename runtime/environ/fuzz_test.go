package environ

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/bounded"
	"github.com/sealift/sealift/runtime/view"
)

// FuzzOptions (F12): whatever --env, --env-file, a variable of the caller and
// the patterns of --no-env and --env-keep say, no variable comes of it whose name
// is none, and none of those that say where the payload runs is another's.
func FuzzOptions(f *testing.F) {
	for _, v := range []string{
		"A=b", `"A=b,c",D=e`, "A=b,C", `A="b,C=d`, "HOME=/x", "SEALIFT_NAME=x", "PATH=/x:$PATH", "APPEND_PATH=/y", "A=$(id)", "=", ",", `"`, "A=b\nC=d", "A\x00=b", "a b=c", "LD_LIBRARY_PATH=",
	} {
		f.Add(v, v, v, v)
	}
	f.Add("A=b", "B='c d'\nexport E=$A\n", "APPTAINERENV_C=d", "LC_*")
	f.Add("A=b", "if true; then B=c; fi\nfor i in 1 2; do C=$i; done", "SINGULARITYENV_HOME=/x", "[")
	f.Fuzz(func(t *testing.T, set, file, caller, pattern string) {
		bounded.Do(t, func() {
			e, err := New(Inputs{
				Home: "/h", Dir: "/w", Image: "/i.sif", Set: []string{set}, Files: []File{{"env", file}},
				Caller: []string{"PATH=/bin", caller}, Drop: []string{pattern}, Keep: []string{pattern},
			})
			if err != nil {
				if hint.Of(err) == "" {
					t.Errorf("no remedy: %v", err)
				}
				return
			}
			env, err := e.Evaluate(noSuch{})
			if err != nil {
				return
			}
			names := map[string]bool{}
			for _, entry := range env {
				name, _, ok := strings.Cut(entry, "=")
				if !ok || !validName(name) || names[name] {
					t.Errorf("%q in %q", entry, env)
				}
				names[name] = true
			}
			if !slices.Contains(env, "HOME=/h") || !slices.Contains(env, "SEALIFT_CONTAINER=/i.sif") {
				t.Errorf("the home directory or the image's name is lost: %q", env)
			}
		})
	})
}

// noSuch has no files.
type noSuch struct{}

// Stat finds nothing.
func (noSuch) Stat(name string) (fs.FileMode, error) {
	return 0, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

// Read finds nothing.
func (noSuch) Read(name string) (string, error) { return "", errors.New("there is no " + name) }

// counted counts how often a directory is read.
type counted struct {
	fstest.MapFS
	reads *int
}

// ReadDir is fs.ReadDirFS's.
func (c counted) ReadDir(name string) ([]fs.DirEntry, error) {
	*c.reads++
	return c.MapFS.ReadDir(name)
}

// FuzzLibraryDirs (F14): whatever an image's ld.so.conf says, and a file that it
// includes, what comes of it are directories of the image, each once, and the
// image is looked at so many times only.
func FuzzLibraryDirs(f *testing.F) {
	f.Add("include /etc/ld.so.conf.d/*.conf\n/a\n", "/b # b\n/c=libc6\nhwcap 0 nosegneg\n")
	f.Add("include *\ninclude ld.so.conf.d/*\n", "include /etc/*\n../b\n//a/../b\n")
	f.Add("/l\n/l/../a\n/\n\n[\ninclude [\n", "/a:/b\n/a\x00\n")
	f.Add("/\x00x/..\n/a\x00\n", "")
	f.Add(strings.Repeat("include /*\n", 5000), strings.Repeat("/b\n/none\n", 5000))
	f.Fuzz(func(t *testing.T, conf, more string) {
		file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o644} }
		dir := &fstest.MapFile{Mode: fs.ModeDir | 0o755}
		reads := 0
		img := counted{fstest.MapFS{
			"etc/ld.so.conf": file(conf), "etc/ld.so.conf.d/a.conf": file(more), "a": dir, "b": dir, "c": dir, "lib": dir, "usr/lib": dir,
			"l": &fstest.MapFile{Data: []byte("/a"), Mode: fs.ModeSymlink | 0o777},
		}, &reads}
		v := view.New(img, fstest.MapFS{})
		seen := map[string]bool{}
		for _, d := range LibraryDirs(v, img) {
			at, err := v.Resolve(d)
			if err != nil || !at.Mode.IsDir() || !path.IsAbs(d) || strings.ContainsAny(d, ":\x00") || seen[at.Path] {
				t.Errorf("%q: %v, %v", d, at, err)
			}
			seen[at.Path] = true
		}
		if reads > 2*maxLinkerLooks {
			t.Errorf("%d directories were read", reads)
		}
	})
}
