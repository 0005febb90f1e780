package rulefiles

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/e2e/apart"
)

// TestLocateT103: an image is where it was opened, by mounts and without links; where
// that can no longer be told, it is nowhere.
func TestLocateT103(t *testing.T) {
	apart.InNamespace(t, func(t *testing.T) {
		dir := apart.Tmpfs(t, "")
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		bind := func(from, to string) { t.Helper(); must(unix.Mount(dir+from, dir+to, "", unix.MS_BIND, "")) }
		for _, name := range []string{"/data", "/scratch", "/scratch2", "/other"} {
			must(os.Mkdir(dir+name, 0o755))
		}
		must(os.WriteFile(dir+"/data/x.sif", []byte("data"), 0o644))
		must(os.WriteFile(dir+"/other/x.sif", []byte("other"), 0o644))
		must(os.Symlink("scratch", dir+"/link"))
		must(os.Symlink("../other", dir+"/data/out"))
		bind("/data", "/scratch")
		where := func(name, want string) *os.File {
			t.Helper()
			f, err := os.Open(dir + name)
			must(err)
			t.Cleanup(func() { f.Close() })
			if got, err := Locate(f); err != nil || got != dir+want {
				t.Errorf("%s is at %q (%v), want %s", name, got, err, want)
			}
			return f
		}
		where("/data/x.sif", "/data/x.sif")
		mounted := where("/scratch/x.sif", "/scratch/x.sif")
		where("/link/x.sif", "/scratch/x.sif")
		where("/scratch/out/x.sif", "/other/x.sif") // links lead out of what is mounted
		where("/scratch/../data/x.sif", "/data/x.sif")
		where("/scratch2/../scratch/x.sif", "/scratch/x.sif")

		bind("/other", "/scratch")
		where("/scratch/x.sif", "/scratch/x.sif")
		nowhere := func(why string) {
			t.Helper()
			if got, err := Locate(mounted); err == nil {
				t.Errorf("%s, it is still at %s", why, got)
			}
		}
		nowhere("with another directory over it")
		must(unix.Unmount(dir+"/scratch", unix.MNT_DETACH))
		must(unix.Unmount(dir+"/scratch", unix.MNT_DETACH))
		nowhere("without the mount")

		must(os.WriteFile(dir+"/scratch/x.sif", nil, 0o644))
		bind("/data/x.sif", "/scratch/x.sif") // a single file
		where("/scratch/x.sif", "/scratch/x.sif")
	})
}
