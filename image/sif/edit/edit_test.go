package edit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// image writes an image: 1 a definition and 2 the primary partition in group 1, 3 a
// partition in group 2, 4 an object in no group, and signatures of the groups.
func image(t testing.TB, signed ...uint32) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.sif")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	must(t, sif.CreateEmpty(f, time.Unix(1000, 0)))
	partition := func(group uint32, part int32, data string) sif.NewObject {
		return sif.NewObject{Type: sif.FileSystem, Group: group, FileSystem: 1, Part: part, Arch: 2, Data: strings.NewReader(data)}
	}
	objects := []sif.NewObject{
		{Type: sif.Deffile, Group: 1, Data: strings.NewReader("text")}, partition(1, 2, "first"), partition(2, 1, "second"),
		{Type: sif.JSON, Data: strings.NewReader("{}")},
	}
	for range signed {
		objects = append(objects, sif.NewObject{Type: sif.Signature, Hash: 1, Entity: strings.Repeat("AB", 20), Data: strings.NewReader("signature")})
	}
	must(t, sif.AddObjects(t.Context(), f, time.Unix(1000, 0), nil, objects...))
	for i, group := range signed { // the link of a descriptor, to a group
		_, err := f.WriteAt(binary.LittleEndian.AppendUint32(nil, 0xf0000000|group), int64(4096+(4+i)*585+13))
		must(t, err)
	}
	return f
}

func opened(t testing.TB, path string) *sif.Image {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	img, err := sif.Open(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	return img
}

// session makes changes and keeps what they warn of.
type session struct{ warned []string }

func (s *session) options(force bool) Options {
	return Options{Force: force, Now: time.Unix(2000, 0), Warn: func(text string) { s.warned = append(s.warned, text) }}
}

// A change that breaks a signature is refused with a remedy, or made and told of.
func TestSigned(t *testing.T) {
	one, nine := uint32(1), uint32(9)
	add := func(kind sif.Type, group *uint32) func(*os.File, Options) error {
		return func(f *os.File, o Options) error {
			object := sif.NewObject{Type: kind, Hash: 1, Entity: strings.Repeat("AB", 20), Data: strings.NewReader("new")}
			return Add(t.Context(), f, object, group, o)
		}
	}
	del := func(id uint32) func(*os.File, Options) error {
		return func(f *os.File, o Options) error { return Delete(f, id, o) }
	}
	primary := func(f *os.File, o Options) error { return SetPrimary(t.Context(), f.Name(), 3, o) }
	none := uint32(0)
	for _, c := range []struct {
		name   string
		signed []uint32
		change func(*os.File, Options) error
		// refused is the start of the error and remedy a part of its hint; warned is
		// what is said where it is not refused.
		refused, remedy, warned string
	}{
		{"add to the signed group", []uint32{1}, add(sif.JSON, nil), "group 1 is signed", "--groupid 3", ""},
		{"add to the signed group by number", []uint32{2, 1}, add(sif.JSON, &one), "group 1 is signed", "--groupid 3", ""},
		{"add to no group", []uint32{2}, add(sif.JSON, &none), "an object in no group", "--groupid 3", ""},
		{"add to a group of its own", []uint32{1}, add(sif.JSON, &nine), "", "", "sealift sign --group-id 9"},
		{"add a signature", []uint32{1}, add(sif.Signature, nil), "", "", ""},
		{"add where nothing is signed", nil, add(sif.JSON, nil), "", "", ""},
		{"delete a signed object", []uint32{1}, del(1), "object 1 (Def.FILE) is signed", "sif del 5", ""},
		{"delete one that is not signed", []uint32{1}, del(3), "", "", ""},
		{"delete one in no group", []uint32{1, 2}, del(4), "", "", ""},
		{"delete the only signature", []uint32{1}, del(5), "", "", "no signature of group 1 is left"},
		{"delete one of two signatures", []uint32{1, 1}, del(5), "", "", ""},
		{"set the primary partition", []uint32{2}, primary, "a signature covers", "sif del 5", ""},
		{"set the primary partition from a signed one", []uint32{1}, primary, "a signature covers", "sif del 5", ""},
		{"set the primary partition without signature", nil, primary, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, f := &session{}, image(t, c.signed...)
			before, err := os.ReadFile(f.Name())
			must(t, err)
			err = c.change(f, s.options(false))
			now, readErr := os.ReadFile(f.Name())
			must(t, readErr)
			if c.refused == "" {
				must(t, err)
				if got := strings.Join(s.warned, "\n"); (got != "") != (c.warned != "") || !strings.Contains(got, c.warned) || bytes.Equal(now, before) {
					t.Errorf("warned %q", got)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.refused) || !strings.Contains(hint.Of(err), c.remedy) || !strings.Contains(hint.Of(err), "--force") {
				t.Fatalf("error %v, hint %s", err, hint.Of(err))
			}
			if !bytes.Equal(now, before) || len(s.warned) > 0 {
				t.Errorf("it is changed; warned %q", s.warned)
			}
			must(t, c.change(f, s.options(true)))
			if len(s.warned) != 1 || !strings.Contains(s.warned[0], "this breaks signature") {
				t.Errorf("warned %q", s.warned)
			}
		})
	}
}

func TestDefaultGroup(t *testing.T) {
	f := image(t)
	must(t, Add(t.Context(), f, sif.NewObject{Type: sif.JSON, Data: strings.NewReader("{}")}, nil, (&session{}).options(false)))
	must(t, Delete(f, 2, (&session{}).options(false)))
	must(t, Delete(f, 1, (&session{}).options(false)))
	img := opened(t, f.Name())
	if o, err := img.Lookup(5); err != nil || o.Group != 1 || DefaultGroup(img) != 1 {
		t.Errorf("%+v %v, then %d", o, err, DefaultGroup(img))
	}
	must(t, Delete(f, 5, (&session{}).options(false)))
	if g := DefaultGroup(opened(t, f.Name())); g != 2 {
		t.Errorf("group %d", g)
	}
	must(t, Delete(f, 3, (&session{}).options(false)))
	if g := DefaultGroup(opened(t, f.Name())); g != 1 {
		t.Errorf("group %d", g)
	}
}

// SetPrimary replaces the file that a link leads to, keeps its mode, and leaves who
// has it open alone.
func TestSetPrimary(t *testing.T) {
	f := image(t)
	must(t, f.Chmod(0o664))
	link := filepath.Join(filepath.Dir(f.Name()), "link.sif")
	must(t, os.Symlink("x.sif", link))
	must(t, SetPrimary(t.Context(), link, 3, (&session{}).options(false)))
	st, err := os.Lstat(f.Name())
	must(t, err)
	if o, ok := opened(t, link).PrimaryObject(); !ok || o.ID != 3 || st.Mode() != 0o664 {
		t.Errorf("primary %v, mode %v", o, st.Mode())
	}
	old, err := sif.Open(f, st.Size())
	must(t, err)
	if o, _ := old.PrimaryObject(); o.ID != 2 {
		t.Errorf("the open file has the primary partition %v", o)
	}
	must(t, SetPrimary(t.Context(), link, 3, (&session{}).options(false))) // it is
	for id, text := range map[uint32]string{1: "no system partition", 9: "no object"} {
		if err := SetPrimary(t.Context(), link, id, (&session{}).options(false)); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%d: %v", id, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := SetPrimary(ctx, link, 2, (&session{}).options(false)); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	entries, err := os.ReadDir(filepath.Dir(link))
	must(t, err)
	if len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

// The owner keeps the image; who cannot leave it to the owner does not replace it.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can change the image of another user")
	}
	f := image(t)
	must(t, f.Chown(apart.UserID, apart.UserID))
	must(t, SetPrimary(t.Context(), f.Name(), 3, (&session{}).options(false)))
	st, err := os.Stat(f.Name())
	must(t, err)
	if is := st.Sys().(*syscall.Stat_t); is.Uid != apart.UserID || is.Gid != apart.UserID || st.Mode() != 0o640 {
		t.Errorf("%d %d %v", is.Uid, is.Gid, st.Mode())
	}
	f = image(t)
	apart.GiveUser(t, filepath.Dir(f.Name()))
	must(t, f.Chown(0, apart.UserID))
	must(t, f.Chmod(0o660))
	apart.AsUser(func() { err = SetPrimary(context.Background(), f.Name(), 3, (&session{}).options(false)) })
	if err == nil || !strings.Contains(err.Error(), "belongs to another user") || hint.Of(err) != "have its owner do it, or work on a copy" {
		t.Errorf("%v, hint %s", err, hint.Of(err))
	}
	if o, _ := opened(t, f.Name()).PrimaryObject(); o.ID != 2 {
		t.Errorf("the primary partition is %v", o)
	}
}

// One change at a time.
func TestLocked(t *testing.T) {
	f := image(t)
	other, err := os.Open(f.Name())
	must(t, err)
	must(t, syscall.Flock(int(other.Fd()), syscall.LOCK_EX))
	o := (&session{}).options(false)
	for name, err := range map[string]error{
		"add": Add(t.Context(), f, sif.NewObject{Type: sif.JSON, Data: strings.NewReader("x")}, nil, o),
		"del": Delete(f, 1, o), "setprim": SetPrimary(t.Context(), f.Name(), 3, o),
	} {
		if err == nil || hint.Of(err) != "try again when it has ended" {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, other.Close())
	if err := SetPrimary(t.Context(), f.Name(), 3, o); err != nil {
		t.Error(err)
	}
}

const faultImage = "SEALIFT_TEST_IMAGE" // the image that the child changes

// TestFaultChild is the process that strace disturbs.
func TestFaultChild(t *testing.T) {
	path := os.Getenv(faultImage)
	if path == "" {
		t.Skip("run by TestFaults")
	}
	runtime.LockOSThread() // strace counts the calls of each thread
	defer runtime.UnlockOSThread()
	must(t, SetPrimary(context.Background(), path, 3, (&session{}).options(false)))
}

// Whatever call fails or is the last one, the image is the old or the new one, and
// who lives leaves nothing else.
func TestFaults(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		apart.Skip(t, "strace is not installed")
	}
	if out, err := exec.Command("strace", "true").CombinedOutput(); err != nil {
		apart.Skip(t, "strace cannot trace here: "+string(out))
	}
	for _, call := range []string{"copy_file_range", "fsync", "linkat", "renameat", "openat"} {
		for _, fault := range []string{"signal=KILL", "error=ENOSPC"} {
			n, injected := 0, true
			for injected {
				n++
				name := fmt.Sprintf("%s/%s/%d", call, fault, n)
				t.Run(name, func(t *testing.T) { injected = testFault(t, call, fault, n) })
			}
			if n == 1 {
				t.Errorf("there is no %s to disturb", call)
			}
		}
	}
}

// testFault says whether there was an n-th call.
func testFault(t *testing.T, call, fault string, n int) bool {
	f := image(t)
	dir := filepath.Dir(f.Name())
	old, err := os.ReadFile(f.Name())
	must(t, err)
	exe, err := os.Executable()
	must(t, err)
	log := t.TempDir() + "/log"
	args := []string{"-f", "-o", log, "-P", dir, "-P", f.Name(), "-e", "trace=" + call,
		"-e", fmt.Sprintf("inject=%s:%s:when=%d", call, fault, n), exe, "-test.run=^TestFaultChild$"}
	cmd := exec.Command("strace", args...)
	cmd.Env = append(os.Environ(), faultImage+"="+f.Name())
	out, childErr := cmd.CombinedOutput()
	trace, err := os.ReadFile(log)
	must(t, err)
	injected := strings.Contains(string(trace), "INJECTED") || strings.Contains(string(trace), "killed by SIGKILL")
	now, err := os.ReadFile(f.Name())
	must(t, err)
	primary, ok := opened(t, f.Name()).PrimaryObject()
	switch {
	case !ok || !slices.Contains([]uint32{2, 3}, primary.ID):
		t.Errorf("the primary partition is %v", primary)
	case primary.ID == 2 && !bytes.Equal(now, old):
		t.Error("the old image has changed")
	case primary.ID == 2 && childErr == nil:
		t.Errorf("the fault goes unnoticed: %s", out)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 && !strings.Contains(fault, "KILL") {
		t.Errorf("left behind: %v (%v)", entries, err)
	}
	must(t, SetPrimary(t.Context(), f.Name(), 3, (&session{}).options(false)))
	return injected
}

// With a partition its hash tree goes, and no other.
func TestDeleteTree(t *testing.T) {
	f, s := image(t), &session{}
	must(t, merkle.AddAll(t.Context(), f, time.Unix(1000, 0), 0))
	if n := len(opened(t, f.Name()).Objects()); n != 8 {
		t.Fatalf("%d objects", n)
	}
	must(t, Delete(f, 3, s.options(false)))
	img := opened(t, f.Name())
	if _, err := merkle.FromImage(img); err != nil || len(img.Objects()) != 5 {
		t.Errorf("%v; objects %v", err, img.Objects())
	}
}
