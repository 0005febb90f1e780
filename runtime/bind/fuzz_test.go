package bind

import (
	"path"
	"strings"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/bounded"
)

// FuzzOptions (F12): whatever --mount, --fusemount, --overlay and --home say, an
// error comes with a remedy, and paths are absolute, clean where they are targets,
// and never the root of the container.
func FuzzOptions(f *testing.F) {
	for _, v := range []string{
		"type=bind,source=/a,destination=/b,ro", `src=a,"dst=/b,c"`, "source=/a,target=/b,readonly=false\nsrc=/c,dst=/d,image-src=/x,id=3",
		"source=/a,destination=/", "source=/a,destination=b", "type=tmpfs,dst=/t", `"source=`, "", "host:prog -o x /mnt", "container-daemon:sh /m",
		"fuse:x /m", "host: x /m", "/o", "o:ro", `a\:b:ro`, "/o:rw", ":", "/h", "/h:/home/x", "h:", "a:b:c", "/a:/../..", "/a:/b/../../c\x00",
	} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		check := func(what string, err error) bool {
			if err != nil && hint.Of(err) == "" {
				t.Errorf("%s %q: no remedy: %v", what, value, err)
			}
			return err == nil
		}
		target := func(what, name string) {
			if !path.IsAbs(name) || path.Clean(name) == "/" {
				t.Errorf("%s %q has the target %q", what, value, name)
			}
		}
		bounded.Do(t, func() {
			mounts, err := ParseMounts([]string{value}, "/cwd")
			if check("--mount", err) {
				for _, b := range mounts {
					target("--mount", b.Target)
					if !path.IsAbs(b.Source) || b.Target != path.Clean(b.Target) {
						t.Errorf("%q: %+v", value, b)
					}
				}
			}
			served, err := ParseFuse([]string{value})
			if check("--fusemount", err) {
				for _, m := range served {
					target("--fusemount", m.Target)
					if len(m.Program) == 0 || strings.Join(m.Program, "") == "" {
						t.Errorf("%q: %+v", value, m)
					}
				}
			}
			overlays, err := ParseOverlays([]string{value}, "/cwd")
			if check("--overlay", err) && (len(overlays) != 1 || !path.IsAbs(overlays[0].Path)) {
				t.Errorf("%q: %+v", value, overlays)
			}
			if source, at, err := SplitHome(value); check("--home", err) && (at != "" && !path.IsAbs(at) || source == "" && at == "") {
				t.Errorf("%q: %q, %q", value, source, at)
			}
		})
	})
}
