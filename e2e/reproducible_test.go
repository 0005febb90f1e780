package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const reproducibleDefinition = `Bootstrap: oci
From: busybox:latest

%files
    data /opt/data

%post
    mkdir -p /opt/list /opt/given
    for i in 3 1 2; do echo "$i" > /opt/list/$i; done
    chown 33:44 /opt/given /opt/list/2
    chmod 4755 /opt/list/1
    mknod /opt/zero c 1 5
    ln /opt/list/3 /opt/again

%environment
    export ANSWER=42

%apprun tool
    echo tool
`

// TestReproducible builds the same as real root and as an ordinary user, with
// another umask, time zone and order of files, at another place, and compares
// every byte.
func TestReproducible(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be both users; the run as root has this test")
	}
	paths := images(t)
	if paths["BUSYBOX"] == "" {
		t.Skip("needs the busybox fixture")
	}
	names := []string{"a", "b", "c", "d/e", "d/f"}
	var built [][]byte
	for i, who := range []struct {
		id    uint32
		umask int
		zone  string
		deep  string
	}{{0, 0o022, "Asia/Tokyo", "here"}, {testUID, 0o077, "America/Lima", "some/where/else entirely"}} {
		home := filepath.Join(paths["STAGE"], "images", fmt.Sprint("reproducible-", who.id))
		dir := filepath.Join(home, who.deep)
		for _, name := range names {
			write(t, filepath.Join(dir, "data", name), strings.Repeat(name, 5000))
		}
		slices.Reverse(names)
		write(t, dir+"/it.def", reproducibleDefinition)
		if err := errors.Join(os.Symlink(paths["BUSYBOX"], dir+"/busybox"), chownAll(home, int(who.id))); err != nil {
			t.Fatal(err)
		}
		umask := syscall.Umask(who.umask)
		runAs(t, who.id, dir, []string{"TZ=" + who.zone, "SOURCE_DATE_EPOCH=1700000000"},
			"build", "--no-cache", "--reproducible", "it.sif", "it.def")
		syscall.Umask(umask)
		b, err := os.ReadFile(dir + "/it.sif")
		if err != nil {
			t.Fatal(err)
		}
		if built = append(built, b); i > 0 && !bytes.Equal(built[0], b) {
			t.Errorf("the images of users 0 and %d differ: %d and %d bytes", who.id, len(built[0]), len(b))
		}
	}
}

// chownAll gives a directory and all in it to a user.
func chownAll(dir string, id int) error {
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, id, id))
	})
}
