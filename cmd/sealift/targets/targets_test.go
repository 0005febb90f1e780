package targets

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/build"
)

func TestTarget(t *testing.T) {
	const arm64 = "interpreter /q\noffset 0\nmagic 7f454c460201010000000000000000000200b700\n"
	root := func(rule string) fstest.MapFS {
		return fstest.MapFS{"proc/sys/fs/binfmt_misc/q": {Data: []byte(rule)}}
	}
	for _, c := range []struct{ arch, variant, rule, want, foreign string }{
		{"", "", "", "amd64", ""},
		{"", "v3", "", "amd64/v3", ""},
		{"x86_64", "", "", "amd64", ""},
		{"i386", "", "", "386", ""},
		{"aarch64", "", "enabled\nflags: F\n" + arm64, "arm64", ""},
		{"arm64v8", "", "", "arm64/v8", "no emulator for arm64"},
		{"arm32v6", "", "", "arm/v6", "no emulator for arm"},
		{"arm", "v7", "", "arm/v7", "no emulator for arm"},
		{"arm64", "", "enabled\nflags: OC\n" + arm64, "arm64", "/q for arm64 cannot be seen"},
		{"arm64", "", "disabled\nflags: F\n" + arm64, "arm64", "no emulator"},
	} {
		var h build.Host
		if err := setTarget(&h, c.arch, c.variant, "amd64", root(c.rule)); err != nil {
			t.Fatal(err)
		}
		got := strings.TrimSuffix(h.Arch+"/"+h.Variant, "/")
		if got != c.want || (h.Foreign != nil) != (c.foreign != "") {
			t.Errorf("%s %s: %s, %v", c.arch, c.variant, got, h.Foreign)
		}
		if h.Foreign != nil && (!strings.Contains(h.Foreign.Error(), c.foreign) || hint.Of(h.Foreign) == "") {
			t.Errorf("%s: %v, hint %q", c.arch, h.Foreign, hint.Of(h.Foreign))
		}
	}
	for _, arch := range []string{"pdp11", "arm128v9", "v", "riscv"} {
		var h build.Host
		if err := setTarget(&h, arch, "", "amd64", root("")); err == nil || !strings.Contains(hint.Of(err), "amd64, arm") {
			t.Errorf("%s: %v, hint %q", arch, err, hint.Of(err))
		}
	}
}

func TestPlatform(t *testing.T) {
	for _, c := range []struct {
		flags   []string
		want    string
		refused string
	}{
		{[]string{"--platform", "linux/arm/v7"}, "arm/v7", ""},
		{[]string{"--platform", "linux/x86_64"}, "amd64/", ""},
		{[]string{"--arch", "arm64", "--arch-variant", "v8"}, "arm64/v8", ""},
		{[]string{"--platform", "windows/amd64"}, "", "--platform windows/amd64"},
		{[]string{"--platform", "arm64"}, "", "--platform arm64"},
		{[]string{"--platform", "linux/arm64", "--arch", "arm"}, "", "use one way"},
	} {
		var f Flags
		flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
		f.Add(flags, "for this `architecture`", "ARCH")
		if err := flags.Parse(c.flags); err != nil {
			t.Fatal(err)
		}
		var h build.Host
		err := f.Set(&h, fstest.MapFS{})
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%q: %v", c.flags, err)
			}
			continue
		}
		if got := h.Arch + "/" + h.Variant; err != nil || got != c.want {
			t.Errorf("%q: %s, %v", c.flags, got, err)
		}
	}
}
