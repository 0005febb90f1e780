package e2e

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/e2e/sweep"
)

// sweepVar is how many faults of each operation are tried, or all. sweepOnly names
// operations, and calls after a colon.
const (
	sweepVar   = "SEALIFT_TEST_SWEEP"
	sweepOnly  = "SEALIFT_TEST_SWEEP_ONLY"
	sweepFew   = 32
	sweepLimit = time.Minute
)

// operation is a command that is disturbed in a directory of its own.
type operation struct {
	name   string
	before string   // a directory with what there is at first
	args   []string // of the command, in that directory
	again  []string // of the next run, if they are others
	stdout string
	// whole looks at a file that is neither as before nor as after an undisturbed run.
	whole func(dir, file string) error
	after sweep.Snapshot
	was   sweep.Snapshot
}

// sweeper makes operations and disturbs them.
type sweeper struct {
	*testing.T
	dir, sealift string
	table        sweep.Table
}

// TestSweep disturbs what writes files, and a container: at each system call, by an
// error or a signal. Whatever happens, every file is as it was or complete, success is
// success, a failure is an error with a message, and the next run leaves the same files
// as one without a disturbance.
func TestSweep(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		apart.Skip(t, "no strace")
	}
	asUser(t, "^TestSweep$")
	if os.Geteuid() == 0 {
		return // as root nothing is different
	}
	sealift, _ := busyboxImage(t)
	s := &sweeper{T: t, dir: t.TempDir(), sealift: sealift}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	for _, o := range s.operations(s.offer(server.URL)) {
		if only := os.Getenv(sweepOnly); only == "" || slices.Contains(strings.Split(only, " "), o.name) {
			t.Run(o.name, func(t *testing.T) { (&sweeper{t, s.dir, sealift, sweep.Table{}}).sweep(o, &s.table) })
		}
	}
	t.Logf("\n%s", s.table.String())
}

// offer puts the image in the registry and returns its name there.
func (s *sweeper) offer(url string) string {
	s.Helper()
	index, err := layout.ImageIndexFromPath(images(s.T)["BUSYBOX"])
	s.must(err)
	image := strings.TrimPrefix(url, "http://") + "/busybox:1"
	to, err := name.ParseReference(image)
	s.must(err)
	s.must(remote.WriteIndex(to, index))
	return "docker://" + image
}

func (s *sweeper) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// operations prepares all of them.
func (s *sweeper) operations(remote string) []*operation {
	s.Helper()
	bb := "oci:" + images(s.T)["BUSYBOX"]
	private := s.key("key")
	unsigned := filepath.Join(s.dir, "unsigned.sif")
	s.run(s.dir, "build", unsigned, bb)
	write(s.T, filepath.Join(s.dir, "pass"), "word\n")
	s.must(os.Chmod(filepath.Join(s.dir, "pass"), 0o600))
	for _, who := range []string{"ann", "bob"} {
		s.run(s.dir, "key", "newpair", "--name", who, "--email", who+"@h.example", "--comment", "", "--bit-length", "2048",
			"--passphrase-file", filepath.Join(s.dir, "pass"), "--keysdir", filepath.Join(s.dir, who), "--push=false")
	}
	bob := filepath.Join(s.dir, "bob.asc")
	s.run(s.dir, "key", "export", "--secret", "--armor", "--keysdir", filepath.Join(s.dir, "bob"), bob)
	list := []*operation{
		{name: "build", args: []string{"build", "out.sif", bb}, again: []string{"build", "--force", "out.sif", bb}},
		{name: "rebuild", args: []string{"build", "--force", "out.sif", bb}},
		{name: "pull", args: []string{"pull", "--disable-cache", "--force", "out.sif", remote}},
		{name: "sign", args: []string{"sign", "--key", private, "out.sif"}, whole: s.signed},
		{name: "import", args: []string{"key", "import", bob}},
		{name: "cache", args: []string{"exec", "--no-home", remote, "echo", "works"}, stdout: "works\n", whole: s.cached},
		{name: "run", args: []string{"exec", "--no-home", unsigned, "echo", "works"}, stdout: "works\n"},
	}
	for _, o := range list {
		o.before = filepath.Join(s.dir, o.name)
		for _, name := range []string{"home", "tmp", "run", "cache"} {
			s.must(os.MkdirAll(filepath.Join(o.before, name), 0o700))
		}
		s.must(os.MkdirAll(filepath.Join(o.before, "keys"), 0o700))
		switch o.name {
		case "rebuild", "pull":
			write(s.T, filepath.Join(o.before, "out.sif"), "old")
		case "sign":
			s.copy(unsigned, filepath.Join(o.before, "out.sif"))
		case "import":
			for _, name := range []string{"pgp-public", "pgp-secret"} {
				s.copy(filepath.Join(s.dir, "ann", name), filepath.Join(o.before, "keys", name))
			}
		}
	}
	return list
}

// key makes a key to sign with, and one to verify with beside it.
func (s *sweeper) key(name string) string {
	s.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	s.must(err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	s.must(err)
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	s.must(err)
	path := filepath.Join(s.dir, name)
	write(s.T, path+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	write(s.T, path+".pub", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
	return path + ".pem"
}

func (s *sweeper) copy(from, to string) {
	s.Helper()
	data, err := os.ReadFile(from)
	s.must(err)
	s.must(os.WriteFile(to, data, 0o600))
}

// signed says whether a file is an image with a good signature or none, of which
// nothing else has changed.
func (s *sweeper) signed(dir, file string) error {
	r, err := s.command(dir, "verify", "--key", filepath.Join(s.dir, "key.pub"), file).Run(sweepLimit)
	if err == nil && r.Status != 0 && r.Status != 3 {
		err = fmt.Errorf("verify: status %d: %s", r.Status, r.Stderr)
	}
	r, runErr := s.command(dir, "exec", "--no-home", file, "echo", "works").Run(sweepLimit)
	if runErr == nil && r.Stdout != "works\n" {
		runErr = fmt.Errorf("exec: status %d: %s", r.Status, r.Stderr)
	}
	return errors.Join(err, runErr)
}

// cached says whether an entry of the cache is one that an undisturbed run made, but
// for the time and the random number in it, with a digest that is its own.
func (s *sweeper) cached(dir, file string) error {
	is, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return err
	}
	want, err := os.ReadFile(filepath.Join(s.dir, "cache.after", file))
	if err != nil {
		return err
	}
	const fixed, digest, number = 32, sha256.Size, 48 // see footer of image/cache; where the header of SIF has its number
	if len(is) < fixed+digest || len(is) != len(want) {
		return fmt.Errorf("it has %d bytes, not %d", len(is), len(want))
	}
	size := int(binary.LittleEndian.Uint64(want[len(want)-fixed:]))
	if sum := sha256.Sum256(is[:size]); strings.HasSuffix(string(is), "SEALCAC2") && !bytes.Equal(sum[:], is[size:size+digest]) {
		return errors.New("it is not what its digest says")
	}
	if bytes.Contains(want[:number], []byte("SIF_MAGIC")) {
		copy(is[number:number+16], want[number:])
	}
	if !bytes.Equal(is[:size], want[:size]) {
		return errors.New("it is another file")
	}
	return nil
}

func (s *sweeper) command(dir string, args ...string) sweep.Command {
	env := []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "SOURCE_DATE_EPOCH=1700000000", "HOME=" + dir + "/home", "TMPDIR=" + dir + "/tmp",
		"XDG_RUNTIME_DIR=" + dir + "/run", "SEALIFT_CACHEDIR=" + dir + "/cache", "SEALIFT_KEYSDIR=" + dir + "/keys"}
	return sweep.Command{Path: s.sealift, Args: args, Env: env, Dir: dir}
}

func (s *sweeper) run(dir string, args ...string) sweep.Result {
	s.Helper()
	r, err := s.command(dir, args...).Run(sweepLimit)
	s.must(err)
	if r.Status != 0 {
		s.Fatalf("%q: status %d: %s", args, r.Status, r.Stderr)
	}
	return r
}

// fresh is a directory with what an operation starts from.
func (s *sweeper) fresh(o *operation) string {
	s.Helper()
	dir, err := os.MkdirTemp(s.dir, o.name+"-")
	s.must(err)
	if out, err := exec.Command("cp", "-a", o.before+"/.", dir).CombinedOutput(); err != nil {
		s.Fatalf("%v: %s", err, out)
	}
	return dir
}

// sweep tries the faults of an operation, as many as are wanted.
func (s *sweeper) sweep(o *operation, table *sweep.Table) {
	dir := s.fresh(o)
	var err error
	o.was, err = sweep.Look(dir)
	s.must(err)
	calls, err := s.command(dir, o.args...).Count(filepath.Join(s.dir, o.name+".count"), time.Minute)
	s.must(err)
	o.after, err = sweep.Look(dir)
	s.must(err)
	s.must(os.Rename(dir, filepath.Join(s.dir, o.name+".after")))
	s.Logf("calls: %v; files: %q", calls, slices.Sorted(maps.Keys(o.after)))
	all := sweep.All(calls)
	some := all
	switch n := os.Getenv(sweepVar); n {
	case "all":
	case "":
		some = sweep.Thin(all, sweepFew)
	default:
		number, err := strconv.Atoi(n)
		s.must(err)
		some = sweep.Thin(all, number)
	}
	began := time.Now()
	queue := make(chan sweep.Fault)
	var workers sync.WaitGroup
	for i := range runtime.NumCPU() {
		workers.Go(func() {
			for f := range queue {
				if outcome, err := s.disturb(o, f, filepath.Join(s.dir, fmt.Sprint(o.name, i, ".trace"))); err != nil {
					s.Errorf("%v: %v", f, err)
				} else {
					table.Add(o.name, f, outcome)
				}
			}
		})
	}
	for _, f := range some {
		queue <- f
	}
	close(queue)
	workers.Wait()
	s.Logf("%d of %d faults in %v", len(some), len(all), time.Since(began).Round(time.Second))
}

// disturb runs an operation with one fault, and once more without.
func (s *sweeper) disturb(o *operation, f sweep.Fault, trace string) (sweep.Outcome, error) {
	dir := s.fresh(o)
	limit := sweepLimit
	if mayHang(f) {
		limit = 10 * time.Second
	}
	r, err := s.command(dir, o.args...).With(f, trace, limit)
	if err != nil {
		return 0, err
	}
	outcome, err := verdict(o, f, r)
	now, lookErr := sweep.Look(dir)
	if err = errors.Join(err, lookErr); err != nil {
		return 0, fmt.Errorf("%w\nstatus %d, stdout %q, stderr: %s", err, r.Status, r.Stdout, r.Stderr)
	}
	if err := o.check(dir, now, outcome == sweep.WentOn); err != nil {
		return 0, fmt.Errorf("%w\nstatus %d, stderr: %s", err, r.Status, r.Stderr)
	}
	extra := o.extra(now)
	if len(extra) > 0 && (outcome == sweep.WentOn || outcome == sweep.Failed) && !f.Kills() {
		return 0, fmt.Errorf("left over: %q\nstatus %d, stderr: %s", extra, r.Status, r.Stderr)
	}
	return outcome, errors.Join(s.next(o, dir, extra), os.RemoveAll(dir))
}

// verdict says what became of the process.
func verdict(o *operation, f sweep.Fault, r sweep.Result) (sweep.Outcome, error) {
	switch {
	case r.Hits == 0:
		return sweep.Missed, nil
	case r.Hung && mayHang(f):
		return sweep.Hung, nil
	case r.Hung:
		return 0, errors.New("it hangs")
	case gaveUp(f, r.Stderr):
		return sweep.Runtime, nil
	case strings.Contains(r.Stderr, "panic:") || strings.Contains(r.Stderr, "goroutine ") || strings.Contains(r.Stderr, "fatal error:"):
		return 0, errors.New("a crash")
	case r.Status == 0 && r.Stdout != o.stdout && o.stdout != "":
		return 0, errors.New("success without the output")
	case r.Status == 0:
		return sweep.WentOn, nil
	case r.Killed:
		return sweep.Killed, nil
	case r.Stderr == "" && f.Call != "write" && !strings.HasPrefix(f.What, "signal="):
		return 0, errors.New("a failure without a word")
	}
	return sweep.Failed, nil
}

// mayHang says whether strace has a descriptor stay open, which the kernel never does
// when close(2) fails: whoever reads the other end of that pipe waits.
func mayHang(f sweep.Fault) bool { return f.Call == "close" && strings.HasPrefix(f.What, "error=") }

// gaveUp says whether Go's runtime ended the process, for it bears no failure of some
// calls that are its own.
func gaveUp(f sweep.Fault, stderr string) bool {
	return map[string]bool{
		// On goroutine 0 only the runtime's own code runs: that of the collector, here.
		"mmap":   strings.Contains(stderr, "fatal error: ") || strings.Contains(stderr, "SIGSEGV: ") && strings.Contains(stderr, "\ngoroutine 0 "),
		"clone":  strings.Contains(stderr, "runtime: failed to create new OS thread"),
		"clone3": strings.Contains(stderr, "runtime/cgo: pthread_create failed"),
		"write":  strings.Contains(stderr, "runtime: netpollBreak write failed"),
	}[f.Call]
}

// check looks at the files that an operation has left.
func (o *operation) check(dir string, now sweep.Snapshot, succeeded bool) error {
	torn := now.Torn(o.was, o.after)
	if o.whole != nil {
		for _, name := range torn {
			if err := o.whole(dir, name); err != nil {
				return fmt.Errorf("torn: %s: %w", name, err)
			}
		}
		torn = nil
	}
	if len(torn) > 0 {
		return fmt.Errorf("torn: %q", torn)
	}
	if succeeded && o.whole == nil && strings.HasSuffix(o.name, "build") && now["out.sif"] != o.after["out.sif"] {
		return errors.New("success without the file")
	}
	return nil
}

// extra is what is left over. A note of when an entry of the cache was used is not.
func (o *operation) extra(now sweep.Snapshot) []string {
	return slices.DeleteFunc(now.Extra(o.was, o.after), func(name string) bool {
		entry, isNote := strings.CutSuffix(name, ".seen")
		return isNote && now[entry] != ""
	})
}

// next runs the operation again after a long time: it succeeds, and leaves what an
// undisturbed one does.
func (s *sweeper) next(o *operation, dir string, extra []string) error {
	if err := sweep.Age(dir, extra, 48*time.Hour); err != nil {
		return err
	}
	args := o.args
	if o.again != nil {
		args = o.again
	}
	r, err := s.command(dir, args...).Run(sweepLimit)
	if err != nil {
		return err
	}
	if r.Status != 0 || r.Stdout != o.stdout && o.stdout != "" {
		return fmt.Errorf("the next run: status %d: %s", r.Status, r.Stderr)
	}
	now, err := sweep.Look(dir)
	if err != nil {
		return err
	}
	if extra := o.extra(now); len(extra) > 0 {
		return fmt.Errorf("left over after the next run: %q", extra)
	}
	for _, name := range slices.Sorted(maps.Keys(o.after)) {
		if _, is := now[name]; !is {
			return fmt.Errorf("after the next run, %s is not there", name)
		}
	}
	return o.check(dir, now, true)
}
