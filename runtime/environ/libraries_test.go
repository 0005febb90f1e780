package environ

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift/runtime/view"
)

func TestLibraryDirs(t *testing.T) {
	dir, link := &fstest.MapFile{Mode: fs.ModeDir | 0o755}, func(to string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink | 0o777}
	}
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o644} }
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  []string
	}{
		"no configuration": {fstest.MapFS{"lib": dir, "usr/lib": dir}, nil},
		"debian": {fstest.MapFS{
			"etc/ld.so.conf": file("include /etc/ld.so.conf.d/*.conf\n\n"), "lib": link("usr/lib"), "usr/lib/x86_64-linux-gnu": dir, "usr/local/lib": dir,
			"etc/ld.so.conf.d/libc.conf":   file("# libc default configuration\n/usr/local/lib\n"),
			"etc/ld.so.conf.d/x86_64.conf": file("/usr/local/lib/x86_64-linux-gnu\n/lib/x86_64-linux-gnu\n/usr/lib/x86_64-linux-gnu\n"),
			"etc/ld.so.conf.d/readme.txt":  file("/opt\n"), "opt": dir,
		}, []string{"/usr/local/lib", "/lib/x86_64-linux-gnu", "/lib"}},
		"rocky": {fstest.MapFS{"etc/ld.so.conf": file("include ld.so.conf.d/*.conf"), "usr/lib64": dir, "usr/lib": dir, "lib64": link("usr/lib64"), "lib": link("usr/lib"), "etc/ld.so.conf.d": dir},
			[]string{"/lib64", "/lib"}},
		"odd lines": {fstest.MapFS{"a": dir, "b": dir, "c:d": dir, "f": file(""), "etc/ld.so.conf": file("  /a=libc6 # a\nhwcap 1 nosegneg\n/c:d\n/f\nrelative\n/missing\ninclude\ninclude [ /none/*\n/b\t\n/a/\n")},
			[]string{"/a", "/b"}},
		"a loop":     {fstest.MapFS{"a": dir, "etc/ld.so.conf": file("/a\ninclude /etc/*\n")}, []string{"/a"}},
		"a link out": {fstest.MapFS{"etc/ld.so.conf": link("../../host")}, nil},
		"too large":  {fstest.MapFS{"lib": dir, "a": dir, "etc/ld.so.conf": file("/a\n" + strings.Repeat("#", maxLinkerFile))}, []string{"/lib"}},
	} {
		if got := LibraryDirs(view.New(c.files, fstest.MapFS{"host": file("/h")}), c.files); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
