package images

import (
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
)

func TestMksquashfs(t *testing.T) {
	for line, want := range map[string]Format{
		"":                                 {"zstd", 128 << 10},
		"-comp xz":                         {"xz", 128 << 10},
		" -b 1M  -noappend":                {"zstd", 1 << 20},
		"-comp gzip -b 65536":              {"gzip", 64 << 10},
		"-Xcompression-level 19":           {"zstd:19", 128 << 10},
		"-Xcompression-level 3 -comp gzip": {"gzip:3", 128 << 10},
	} {
		f := Format{"zstd", 128 << 10}
		if n, err := f.Mksquashfs(line); n != 0 || err != nil || f != want {
			t.Errorf("%q: %+v, %d, %v", line, f, n, err)
		}
	}
	var f Format
	if n, err := f.Mksquashfs("-processors 3"); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestMksquashfsRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"-mem 1G":       "-mem cannot be had",
		"-no-xattrs":    "-no-xattrs cannot",
		"-comp":         "-comp without a value",
		"-b big":        "-b: not a number",
		"-processors 0": "-processors: 0 is less than 1",
		"-processors x": "-processors: ",
	} {
		var f Format
		if _, err := f.Mksquashfs(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", line, err)
		} else if strings.Contains(want, "cannot") && hint.Of(err) == "" {
			t.Errorf("%q: no hint", line)
		}
	}
}
