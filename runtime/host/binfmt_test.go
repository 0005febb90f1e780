package host

import (
	"slices"
	"testing"
	"testing/fstest"
)

// Rules as Debian's qemu-user-static and the image tonistiigi/binfmt leave
// them, and others.
var rules = fstest.MapFS{
	"proc/sys/fs/binfmt_misc/status":   {Data: []byte("enabled\n")},
	"proc/sys/fs/binfmt_misc/register": {},
	"proc/sys/fs/binfmt_misc/python3":  {Data: []byte("enabled\ninterpreter /usr/bin/python3\nflags: \noffset 0\nmagic cb0d0d0a\n")},
	"proc/sys/fs/binfmt_misc/qemu-aarch64": {Data: []byte("enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\noffset 0\n" +
		"magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n")},
	"proc/sys/fs/binfmt_misc/a-ppc": {Data: []byte("enabled\ninterpreter /opt/a\nflags: F\noffset 18\nmagic 1500\n")},
	"proc/sys/fs/binfmt_misc/b-ppc": {Data: []byte("enabled\ninterpreter /opt/b\nflags: \noffset 18\nmagic 1500\n")},
	"proc/sys/fs/binfmt_misc/qemu-s390x": {Data: []byte("enabled\ninterpreter /usr/bin/qemu-s390x\nflags: \noffset 0\n" +
		"magic 7f454c4602020100000000000000000000020016\nmask ffffffffffffff00fffffffffffffffffffeffff\n")},
	"proc/sys/fs/binfmt_misc/qemu-riscv64": {Data: []byte("disabled\ninterpreter /usr/bin/qemu-riscv64\nflags: F\noffset 0\n" +
		"magic 7f454c460201010000000000000000000200f300\nmask ffffffffffffff00fffffffffffffffffeffffff\n")},
	"proc/sys/fs/binfmt_misc/wild": {Data: []byte("enabled\ninterpreter /x\nflags: F\noffset 4000\nmagic 00\nmask zz\n")},
}

func TestFindEmulator(t *testing.T) {
	for arch, want := range map[string]Emulator{
		"arm64":   {"/usr/bin/qemu-aarch64-static", true},
		"s390x":   {"/usr/bin/qemu-s390x", false},
		"ppc64le": {"/opt/a", true},
		"riscv64": {}, "amd64": {}, "arm": {}, "pdp11": {},
	} {
		got, found := FindEmulator(rules, arch)
		if got != want || found != (want != Emulator{}) {
			t.Errorf("%s: %+v, %v", arch, got, found)
		}
	}
	if e, found := FindEmulator(fstest.MapFS{}, "arm64"); found {
		t.Errorf("without binfmt_misc: %+v", e)
	}
}

func TestArchitectures(t *testing.T) {
	names := Architectures()
	if !slices.IsSorted(names) || !slices.Contains(names, "amd64") || !slices.Contains(names, "arm64") {
		t.Errorf("%q", names)
	}
}
