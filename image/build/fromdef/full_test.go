package fromdef

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/image/build"
)

// noise is a mebibyte that does not compress.
func noise(t *testing.T) string {
	t.Helper()
	b := make([]byte, 1<<20)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// leftIn lists a directory.
func leftIn(t *testing.T, dir string) []fs.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// TestFullDisk: whichever file system is full, the error says which, and
// nothing is left.
func TestFullDisk(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		for _, c := range []struct {
			name, text string
			o          func(small string) build.Options
			hint       string
		}{
			{"output", "%files\n noise /\n", func(small string) build.Options {
				return build.Options{Output: small + "/out.sif", TmpDir: os.TempDir()}
			}, "free space on "},
			{"directory", "%files\n noise /\n", func(small string) build.Options {
				return build.Options{Output: small + "/out", Sandbox: true, TmpDir: os.TempDir()}
			}, "free space on "},
			{"temporary files", "%files\n noise /\n", func(small string) build.Options {
				return build.Options{TmpDir: small}
			}, "--tmpdir names the directory for temporary files"},
			{"what a script writes", "%post\n x\n", func(small string) build.Options {
				return build.Options{TmpDir: small}
			}, "--tmpdir names the directory for temporary files"},
		} {
			t.Run(c.name, func(t *testing.T) {
				s := newSite(t)
				small := apart.Tmpfs(t, "size=128k,mode=0700")
				write(t, s.path("noise"), noise(t))
				s.env.Run = func(_ context.Context, x build.Exec) error {
					// A script tells of it in its own words.
					if err := os.WriteFile(x.Upper+"/noise", []byte(noise(t)), 0o600); !errors.Is(err, unix.ENOSPC) {
						t.Errorf("write over the layers: %v", err)
					}
					return errors.New("exit status 1")
				}
				err := s.build(t, fromArchive+c.text, c.o(small))
				if err == nil || !strings.Contains(hint.Of(err), c.hint) || !strings.Contains(hint.Of(err), small) {
					t.Errorf("%v, hint %q, told %q", err, hint.Of(err), s.log)
				}
				if left := leftIn(t, small); len(left) > 0 || s.names(t) != "base.tar noise" {
					t.Errorf("left %v and %s", left, s.names(t))
				}
			})
		}
	})
}

// TestKeepOnFullDisk: that the files are not kept does not hide why.
func TestKeepOnFullDisk(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		s := newSite(t)
		small := apart.Tmpfs(t, "size=128k,mode=0700")
		boom := errors.New("exit status 1")
		s.env.Run = func(_ context.Context, x build.Exec) error {
			write(t, x.Upper+"/noise", noise(t))
			return boom
		}
		err := s.build(t, fromArchive+"%post\n x\n", build.Options{KeepOnError: small + "/kept"})
		if told := strings.Join(s.log, "\n"); !errors.Is(err, boom) || !strings.Contains(told, "warning: the files that the script left are not kept: ") {
			t.Errorf("%v, told %s", err, told)
		}
		if left := leftIn(t, small); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	})
}
