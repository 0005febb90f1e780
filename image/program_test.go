package image

import (
	"os"
	"path/filepath"
	"testing"
)

// What a file says of its loader is taken as far as it makes sense.
func TestLoaderOf(t *testing.T) {
	dir := t.TempDir()
	good, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	odd := append([]byte(nil), good[:4096]...)
	for i := 32; i < 40; i++ {
		odd[i] = 0xff // where the program headers are
	}
	for name, text := range map[string][]byte{"sh": good, "odd": odd, "short": good[:70], "head": good[:64], "empty": nil, "script": []byte("#!/bin/sh\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, some := range map[string]bool{"sh": true, "odd": false, "short": false, "head": false, "empty": false, "script": false, "none": false} {
		got := loaderOf(os.DirFS(dir), "/"+name)
		if _, err := os.Stat(got); some != (got != "") || some && err != nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}
