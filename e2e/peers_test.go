package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sylabs/sif/v2/pkg/sif"
)

// peerFiles is an image's metadata in the manner of the peers: scripts with
// conditions and variables that are exported later, an empty script, a
// runscript.
var peerFiles = map[string]string{
	".singularity.d/env/01-base.sh":               "#!/bin/sh\n# nothing\n",
	".singularity.d/env/10-docker2singularity.sh": "#!/bin/sh\nexport PATH=\"/bin\"\nexport LANG=\"${LANG:-\"C\"}\"\n",
	".singularity.d/env/90-environment.sh":        "#!/bin/sh\n\n    export FROM_IMAGE=peer\n",
	".singularity.d/env/94-appsbase.sh":           "",
	".singularity.d/env/95-apps.sh":               "#!/bin/sh\nif test -n \"${SINGULARITY_APPNAME:-}\"; then\n    if test -d \"/scif/apps/$SINGULARITY_APPNAME\"; then\n        export PATH=\"/scif/apps/$SINGULARITY_APPNAME/bin:$PATH\"\n    else\n        echo no such app\n        exit 1\n    fi\nfi\n",
	".singularity.d/env/99-base.sh":               "#!/bin/sh\nif [ -z \"${LD_LIBRARY_PATH:-}\" ]; then\n    LD_LIBRARY_PATH=/.singularity.d/libs\nelse\n    LD_LIBRARY_PATH=\"$LD_LIBRARY_PATH:/.singularity.d/libs\"\nfi\nexport LD_LIBRARY_PATH\n",
	".singularity.d/runscript":                    "#!/bin/sh\necho \"peer runs $# arguments: $1 $FROM_IMAGE\"\n",
	".singularity.d/labels.json":                  "{\"written.by\": \"a peer\"}\n",
	".singularity.d/Singularity":                  "bootstrap: docker\nfrom: busybox\n",
	"etc/hosts":                                   "",
	"etc/resolv.conf":                             "",
	"proc/.keep":                                  "",
	"home/.keep":                                  "",
	"var/tmp/.keep":                               "",
}

// peerImage writes a SIF for an architecture as the peers do: the reference
// library, gzip blocks of mksquashfs, definition file first.
func peerImage(t *testing.T, arch string) string {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		missingTool(t, err)
	}
	if _, err := exec.LookPath("mksquashfs"); err != nil {
		missingTool(t, err)
	}
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	for name, text := range peerFiles {
		write(t, filepath.Join(root, name), text)
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "bin/busybox"), string(program))
	for _, name := range []string{"sh", "id", "cat", "echo", "env"} {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	squash := filepath.Join(dir, "root.sqfs")
	run(t, "mksquashfs", root, squash, "-comp", "gzip", "-all-root", "-no-progress", "-quiet")
	partition, err := os.Open(squash)
	if err != nil {
		t.Fatal(err)
	}
	defer partition.Close()
	deffile, err := sif.NewDescriptorInput(sif.DataDeffile, strings.NewReader("bootstrap: docker\n"))
	if err != nil {
		t.Fatal(err)
	}
	system, err := sif.NewDescriptorInput(sif.DataPartition, partition,
		sif.OptPartitionMetadata(sif.FsSquash, sif.PartPrimSys, arch))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "peer.sif")
	f, err := sif.CreateContainerAtPath(path, sif.OptCreateWithDescriptors(deffile, system))
	if err == nil {
		err = f.UnloadContainer()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func missingTool(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	var msg bytes.Buffer
	cmd.Dir, cmd.Stderr = "/", &msg
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v: %s", args, err, msg.String())
	}
	return string(out)
}

// TestPeersImagesRun runs an image that a peer wrote.
func TestPeersImagesRun(t *testing.T) {
	asUser(t, "^TestPeersImagesRun$")
	sealift, _ := busyboxImage(t)
	image := peerImage(t, runtime.GOARCH)
	for _, c := range []struct{ want, args string }{
		{"peer runs 2 arguments: a peer\n", "run " + image + " a b"},
		{strconv.Itoa(os.Getuid()) + "\n", "exec " + image + " id -u"},
		{"written.by: a peer\n", "inspect " + image},
	} {
		if got := run(t, append([]string{sealift}, strings.Fields(c.args)...)...); got != c.want {
			t.Errorf("%s: %q, want %q", c.args, got, c.want)
		}
	}
	out := run(t, sealift, "exec", "--env", "A=1", image, "env")
	for _, line := range []string{"FROM_IMAGE=peer", "LD_LIBRARY_PATH=/.singularity.d/libs", "PATH=/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin", "A=1"} {
		if !strings.Contains("\n"+out, "\n"+line+"\n") {
			t.Errorf("no %s in the environment:\n%s", line, out)
		}
	}
	if plan := run(t, sealift, "exec", "--dry-run", image, "true"); !strings.HasSuffix(plan, "\nexec true\n") {
		t.Error("the peer's environment scripts need a shell: the start is slower than it must be")
	}
}

// TestWrongArchitecture expects an image for other machines to be refused
// before it fails in the middle.
func TestWrongArchitecture(t *testing.T) {
	asUser(t, "^TestWrongArchitecture$")
	sealift, _ := busyboxImage(t)
	other := map[string]string{"amd64": "arm64"}[runtime.GOARCH]
	if other == "" {
		other = "amd64"
	}
	cmd := exec.Command(sealift, "exec", peerImage(t, other), "true")
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 125 || !strings.Contains(string(out), other) ||
		strings.Count(string(out), "sealift: error: ") != 1 || !strings.Contains(string(out), "sealift: hint: ") {
		t.Errorf("%v: %s", cmd.ProcessState, out)
	}
}

// TestPeersReadOurImages gives an image of ours to the reference library, to
// unsquashfs and, as root, to the kernel.
func TestPeersReadOurImages(t *testing.T) {
	asUser(t, "^TestPeersReadOurImages$")
	_, image := busyboxImage(t)
	f, err := sif.LoadContainerFromPath(image, sif.OptLoadWithFlag(os.O_RDONLY))
	if err != nil {
		t.Fatal(err)
	}
	defer f.UnloadContainer()
	system, err := f.GetDescriptor(sif.WithPartitionType(sif.PartPrimSys))
	if err != nil {
		t.Fatal(err)
	}
	fs, _, arch, err := system.PartitionMetadata()
	if err != nil || fs != sif.FsSquash || arch != runtime.GOARCH {
		t.Errorf("%v %v %v", fs, arch, err)
	}
	if system.Offset()%4096 != 0 || system.GroupID() != 1 || f.LaunchScript() != "#!/usr/bin/env run-singularity\n" {
		t.Errorf("offset %d, group %d, launch line %q", system.Offset(), system.GroupID(), f.LaunchScript())
	}
	for _, kind := range []sif.DataType{sif.DataDeffile, sif.DataGenericJSON} {
		if _, err := f.GetDescriptors(sif.WithDataType(kind)); err != nil {
			t.Errorf("%v: %v", kind, err)
		}
	}
	if _, err := exec.LookPath("unsquashfs"); err != nil {
		missingTool(t, err)
	}
	at := strconv.FormatInt(system.Offset(), 10)
	out := filepath.Join(t.TempDir(), "out")
	run(t, "unsquashfs", "-no-progress", "-offset", at, "-dest", out, image)
	want, err := os.ReadFile(filepath.Join(out, "bin/busybox"))
	if err != nil || len(want) < 100_000 {
		t.Fatal(len(want), err)
	}
	if os.Geteuid() != 0 {
		return
	}
	mount := t.TempDir()
	if text, err := exec.Command("mount", "-t", "squashfs", "-o", "ro,loop,offset="+at, image, mount).CombinedOutput(); err != nil {
		missingTool(t, fmt.Errorf("loop mount: %w: %s", err, text))
	}
	defer syscall.Unmount(mount, 0)
	if got, err := os.ReadFile(filepath.Join(mount, "bin/busybox")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("through the kernel: %d bytes, %v", len(got), err)
	}
}
