package imagefs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// seedEnv repeats a run of TestRandomReads: the seed that a failure tells.
const seedEnv = "IMAGEFS_TEST_SEED"

// randomTree fills dir with files that an image stores in all manners: as
// fragments, compressed blocks, blocks left as they are, holes, and a mixture.
func randomTree(dir string) error {
	noise, text := make([]byte, 1<<20), bytes.Repeat([]byte("the same line\n"), 100_000)
	rand.NewChaCha8([32]byte{}).Read(noise)
	for name, b := range map[string][]byte{
		"empty": nil, "tiny": noise[:3], "fragment": text[:2000], "noisy fragment": noise[:3001],
		"block": noise[:1<<20], "text": text, "tail": noise[:300_001], "hole": make([]byte, 2<<20+17),
		"mixed": slices.Concat(noise[:5000], make([]byte, 1<<20), text[:700_000], noise[:250_000], make([]byte, 300_000), text[:99]),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// TestRandomReads has 16 readers at once read random ranges in random ways.
func TestRandomReads(t *testing.T) {
	images(t) // for mksquashfs
	seed := cmp.Or(os.Getenv(seedEnv), strconv.FormatUint(rand.Uint64(), 10))
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	if err := cmp.Or(os.Mkdir(source, 0o755), randomTree(source)); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"4K":           {"-b", "4K", "-comp", "lz4"},
		"128K":         {"-b", "128K", "-comp", "zstd", "-Xcompression-level", "1"},
		"1M":           {"-b", "1M", "-comp", "gzip", "-Xcompression-level", "1", "-always-use-fragments"},
		"stored as is": {"-b", "128K", "-noD", "-noF"},
		"no fragments": {"-b", "16K", "-comp", "lz4", "-no-fragments"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			if err := mksquashfs(append([]string{source, path}, args...)...); err != nil {
				t.Fatal(err)
			}
			a := mount(t, asUserRoot, path, Options{})
			if err := a.do(nil, "random", source, seed); err != nil {
				t.Errorf("%s=%s: %v", seedEnv, seed, err)
			}
			if err := a.server.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRandomReadsOneProcessor serves them in a process that runs one thread of
// Go code at a time.
func TestRandomReadsOneProcessor(t *testing.T) {
	images(t) // to skip here what the other process would skip
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestRandomReads$", "-test.v")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP")):
		t.Skipf("the other process skips\n%s", out)
	case !bytes.Contains(out, []byte("--- PASS: TestRandomReads ")):
		t.Errorf("nothing was tested\n%s", out)
	}
}

const (
	readers        = 16
	readsPerReader = 30
)

// randomFile is a file of the image and its plain content.
type randomFile struct {
	name             string
	content          []byte
	buffered, direct int // descriptors
}

// randomReaders opens every file below root twice, through the page cache and
// past it, and reads them with many readers at once.
func randomReaders(root, source, seed string) error {
	number, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(source)
	if err != nil {
		return err
	}
	var files []randomFile
	for _, e := range entries {
		f := randomFile{name: e.Name(), buffered: -1, direct: -1}
		if f.content, err = os.ReadFile(filepath.Join(source, f.name)); err == nil {
			f.buffered, err = unix.Open(filepath.Join(root, f.name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		defer unix.Close(f.buffered)
		if err == nil {
			f.direct, err = unix.Open(filepath.Join(root, f.name), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_DIRECT, 0)
		}
		defer unix.Close(f.direct)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		files = append(files, f)
	}
	errs := make([]error, readers)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { errs[i] = randomReader(rand.New(rand.NewPCG(number, uint64(i))), files) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// randomReader makes one reader's reads, and has the kernel forget pages before
// some, or the server would be asked for each only once.
func randomReader(rng *rand.Rand, files []randomFile) error {
	names := slices.Sorted(maps.Keys(ways))
	names = slices.DeleteFunc(names, func(s string) bool { return s == "read" }) // the position is shared
	for range readsPerReader {
		f, name := files[rng.IntN(len(files))], names[rng.IntN(len(names))]
		off, n := randomRange(rng, int64(len(f.content)))
		fd, how := f.buffered, name
		switch rng.IntN(4) {
		case 0:
			if err := unix.Fadvise(fd, off, int64(n), unix.FADV_DONTNEED); err != nil {
				return fmt.Errorf("forget pages of %s: %w", f.name, err)
			}
		case 1:
			fd, how = f.direct, name+" past the cache"
		}
		if err := checkRead(ways[name], fd, f.content, off, n); err != nil {
			return fmt.Errorf("%s of %s: %w", how, f.name, err)
		}
	}
	return nil
}

// randomRange is often at the border of a block or page or at the end.
func randomRange(rng *rand.Rand, size int64) (off int64, n int) {
	borders := [...]int64{4096, 16 << 10, 128 << 10, 1 << 20, size + 1}
	off = rng.Int64N(size + 5000)
	if border := borders[rng.IntN(len(borders))]; rng.IntN(2) == 0 {
		off = max(0, off/border*border+rng.Int64N(5)-2)
	}
	longest := [...]int{3, 5000, 70_000, 400_000}[rng.IntN(4)]
	return off, rng.IntN(longest)
}
