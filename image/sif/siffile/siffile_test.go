package siffile

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/text", []byte("text"), 0o600))
	must(t, syscall.Mkfifo(dir+"/fifo", 0o600))
	for path, text := range map[string]string{
		dir: "a directory", dir + "/text": "a file of another kind", dir + "/fifo": "no regular file", "/dev/zero": "no regular file",
		dir + "/none": "no such file",
	} {
		for _, mode := range []int{os.O_RDONLY, os.O_RDWR} {
			if _, err := Open(path, mode); err == nil || !strings.Contains(err.Error(), text) || hint.Of(err) == "" {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	path := dir + "/image.sif"
	must(t, os.WriteFile(path, append(make([]byte, sif.MagicOffset), sif.Magic...), 0o600))
	f, err := Open(path, os.O_RDWR)
	must(t, err)
	must(t, f.Close())
}
