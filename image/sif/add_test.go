package sif

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/apart"
)

// file writes an image that can be changed.
func file(t testing.TB, b []byte) *os.File {
	t.Helper()
	path := t.TempDir() + "/image.sif"
	must(t, os.WriteFile(path, b, 0o644))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	return f
}

func content(t testing.TB, f *os.File) []byte {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	must(t, err)
	return b
}

// addOne adds an object to group 1.
func addOne(c *Container, data string) error {
	in, err := sif.NewDescriptorInput(sif.DataGeneric, strings.NewReader(data))
	if err != nil {
		return err
	}
	return c.AddObject(in)
}

// Two objects arrive as the library itself would have added them.
func TestAdd(t *testing.T) {
	b := typical(t)
	f := file(t, b)
	must(t, Add(t.Context(), f, func(c *Container) error { return errors.Join(addOne(c, "first"), addOne(c, "second")) }))
	now := content(t, f)
	img, err := open(now)
	must(t, err)
	objects := img.Objects()
	if len(objects) != 6 || img.h.free != 42 {
		t.Fatalf("%d objects, %d free", len(objects), img.h.free)
	}
	for i, want := range []string{"first", "second"} {
		got, err := img.Read(objects[4+i], 10)
		must(t, err)
		if string(got) != want || objects[4+i].Group != 1 {
			t.Errorf("object %v holds %q", objects[4+i], got)
		}
	}
	if !bytes.Equal(now[objects[0].Offset:len(b)], b[objects[0].Offset:]) {
		t.Error("the data that was there has changed")
	}
	peer := &sif.Buffer{}
	_, err = peer.Write(b)
	must(t, err)
	c, err := sif.LoadContainer(peer)
	must(t, err)
	must(t, errors.Join(addOne(c, "first"), addOne(c, "second")))
	mask := func(b []byte) []byte { // the times of change
		b = bytes.Clone(b)
		clear(b[72:80])
		for _, slot := range []int{4, 5} {
			clear(b[firstDescriptor+slot*descriptorSize+41:][:16])
		}
		return b
	}
	if !bytes.Equal(mask(now), mask(peer.Bytes())) {
		t.Error("the file is not what the library makes of it")
	}
}

// What an addition that did not come to its end left in the table is not taken
// over.
func TestAddOverLeftovers(t *testing.T) {
	b := typical(t)
	slot := firstDescriptor + 4*descriptorSize
	for i := range descriptorSize {
		b[slot+i] = 0xaa
	}
	b[slot+usedAt] = 0
	f := file(t, b)
	must(t, Add(t.Context(), f, func(c *Container) error { return addOne(c, "first") }))
	d := content(t, f)[slot:][:descriptorSize]
	if bytes.IndexByte(d, 0xaa) >= 0 || d[usedAt] != 1 {
		t.Errorf("descriptor %x", d)
	}
}

// What is no addition is refused, and the file stays as it is.
func TestAddRefuses(t *testing.T) {
	b := typical(t)
	for _, c := range []struct {
		name, text string
		change     func(*Container) error
	}{
		{"nothing", "nothing was added", func(*Container) error { return nil }},
		{"failure", "no luck", func(c *Container) error { return errors.Join(addOne(c, "x"), errors.New("no luck")) }},
		{"deletion", "descriptor 0 is changed", func(c *Container) error { return c.DeleteObject(1) }},
		{"zeroes", "not an addition", func(c *Container) error { return c.DeleteObject(1, sif.OptDeleteZero(true)) }},
		{"cut", "not cut", func(c *Container) error { return c.DeleteObject(4, sif.OptDeleteCompact(true)) }},
		{"full", "capacity", func(c *Container) error {
			for range 45 {
				if err := addOne(c, "x"); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := file(t, b)
			if err := Add(t.Context(), f, c.change); err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want %q", err, c.text)
			}
			if !bytes.Equal(content(t, f), b) {
				t.Error("the file has changed")
			}
		})
	}
	f := file(t, b[:5000])
	if err := Add(t.Context(), f, func(c *Container) error { return addOne(c, "x") }); err == nil || !strings.Contains(err.Error(), "truncated") {
		t.Errorf("a broken image: %v", err)
	}
}

func TestAddLocked(t *testing.T) {
	f := file(t, typical(t))
	other, err := os.Open(f.Name())
	must(t, err)
	must(t, syscall.Flock(int(other.Fd()), syscall.LOCK_EX))
	err = Add(t.Context(), f, func(c *Container) error { return addOne(c, "x") })
	if err == nil || hint.Of(err) != "try again when it has ended" {
		t.Errorf("error %v", err)
	}
	must(t, other.Close())
	must(t, Add(t.Context(), f, func(c *Container) error { return addOne(c, "x") }))
}

// Hashing, which takes long, ends when it is told to.
func TestAddEnded(t *testing.T) {
	b := typical(t)
	f := file(t, b)
	ctx, cancel := context.WithCancel(t.Context())
	err := Add(ctx, f, func(c *Container) error {
		cancel()
		all, err := c.GetDescriptors()
		must(t, err)
		if _, err := all[2].GetData(); !errors.Is(err, context.Canceled) {
			t.Errorf("data is read: %v", err)
		}
		return addOne(c, "x")
	})
	if !errors.Is(err, context.Canceled) || !bytes.Equal(content(t, f), b) {
		t.Errorf("error %v", err)
	}
}

// Container shows what is kept, as Open saw it.
func TestContainer(t *testing.T) {
	b := typical(t)
	img, err := open(b)
	must(t, err)
	clear(b[:8000]) // as another writer would
	c, err := img.Container(t.Context(), func(o Object) bool { return o.ID != 2 })
	must(t, err)
	all, err := c.GetDescriptors()
	must(t, err)
	var ids []uint32
	for _, d := range all {
		ids = append(ids, d.ID())
	}
	if fmt.Sprint(ids) != "[1 3 4]" || c.ID() != img.ID() {
		t.Errorf("objects %v of %s", ids, c.ID())
	}
	got, err := all[2].GetData()
	must(t, err)
	if string(got) != "sig" {
		t.Errorf("data %q", got)
	}
	if err := addOne(c, "x"); err == nil || !strings.Contains(err.Error(), "reading only") {
		t.Errorf("a change: %v", err)
	}
}

// What the child changes, and how.
const (
	faultVar   = "SEALIFT_TEST_CHANGE"
	faultImage = "SEALIFT_TEST_IMAGE"
)

// TestFaultChild is the process that strace disturbs.
func TestFaultChild(t *testing.T) {
	what := os.Getenv(faultVar)
	if what == "" {
		t.Skip("run by TestAddFaults and TestDeleteFaults")
	}
	runtime.LockOSThread() // strace counts the calls of each thread
	defer runtime.UnlockOSThread()
	f, err := os.OpenFile(os.Getenv(faultImage), os.O_RDWR, 0)
	must(t, err)
	switch what {
	case "add":
		err = Add(t.Context(), f, func(c *Container) error { return errors.Join(addOne(c, "first"), addOne(c, "second")) })
	case "delete middle":
		err = Delete(f, 2, time.Unix(2000, 0), nil)
	case "delete last":
		err = Delete(f, 4, time.Unix(2000, 0), nil)
	}
	must(t, err)
	must(t, f.Close())
}

// sweep has the n-th call of each kind fail, and the process end there, for each n
// from 1 on, and looks at the image that is left.
func sweep(t *testing.T, what string, calls map[string]int, look func(t *testing.T, f *os.File, call, fault string, n int)) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		apart.Skip(t, "strace is not installed")
	}
	if out, err := exec.Command("strace", "true").CombinedOutput(); err != nil {
		apart.Skip(t, "strace cannot trace here: "+string(out))
	}
	for call, times := range calls {
		for _, fault := range []string{"signal=KILL", "error=ENOSPC", "error=EIO"} {
			for n := 1; n <= times; n++ {
				t.Run(fmt.Sprintf("%s/%s/%d", call, fault, n), func(t *testing.T) {
					f := file(t, typical(t))
					disturb(t, what, f.Name(), call, fault, n)
					look(t, f, call, fault, n)
				})
			}
		}
	}
}

// disturb runs the child with a fault in a call.
func disturb(t *testing.T, what, image, call, fault string, n int) {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	log := t.TempDir() + "/log"
	cmd := exec.Command("strace", "-f", "-o", log, "-P", image, "-e", "trace="+call,
		"-e", fmt.Sprintf("inject=%s:%s:when=%d", call, fault, n), exe, "-test.run=^TestFaultChild$")
	cmd.Env = append(os.Environ(), faultVar+"="+what, faultImage+"="+image)
	out, childErr := cmd.CombinedOutput()
	trace, err := os.ReadFile(log)
	must(t, err)
	if !strings.Contains(string(trace), "INJECTED") && !strings.Contains(string(trace), "killed by SIGKILL") {
		t.Fatalf("nothing was injected:\n%s\n%s", trace, out)
	}
	if childErr == nil && call != "fallocate" {
		t.Errorf("the fault goes unnoticed: %s", out)
	}
}

// Whatever call fails or is the last one, the image is the old one or has both
// objects, whole.
func TestAddFaults(t *testing.T) {
	b := typical(t)
	calls := map[string]int{"pwrite64": 6, "fsync": 4} // 2 pieces of data, 2 descriptors, what puts them in use, the header
	sweep(t, "add", calls, func(t *testing.T, f *os.File, call, fault string, n int) {
		now := content(t, f)
		img, err := open(now)
		must(t, err)
		objects := img.Objects()
		switch len(objects) {
		case 4:
			undone := strings.Contains(fault, "error") && (call == "fsync" || n < 5)
			if undone && len(now) != len(b) {
				t.Errorf("the old image has %d bytes, not %d", len(now), len(b))
			}
		case 6:
			for i, want := range []string{"first", "second"} {
				if got, err := img.Read(objects[4+i], 10); err != nil || string(got) != want {
					t.Errorf("object %v holds %q (%v)", objects[4+i], got, err)
				}
			}
		default:
			t.Errorf("%d objects", len(objects))
		}
		must(t, Add(t.Context(), f, func(c *Container) error { return addOne(c, "after") })) // it can go on
		img, err = open(content(t, f))
		must(t, err)
		if img.h.free != int64(img.Free()) {
			t.Errorf("%d descriptors are free, the header says %d", img.Free(), img.h.free)
		}
	})
}
