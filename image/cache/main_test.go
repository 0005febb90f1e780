package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/e2e/apart"
	"github.com/sealift/sealift/image/cache/claim"
)

const (
	childVar = "SEALIFT_TEST_CHILD" // what the test binary does instead of tests
	lapseVar = "SEALIFT_TEST_LAPSE" // after how long a lease has lapsed
)

func TestMain(m *testing.M) {
	if action := os.Getenv(childVar); action != "" {
		if err := child(action, os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintf(os.Stderr, "%v\nhint: %s\n", err, hint.Of(err))
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// child is a process that puts the entry with key 1 into the cache dir, once
// its standard input says so, and prints what it got. It notes in the file
// log when it makes the entry, which never ends if action is hold, and ends when
// its standard input says so if action is ask.
func child(action, dir, log string) error {
	runtime.LockOSThread() // strace counts the calls of each thread
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil && err != io.EOF {
		return err
	}
	c, err := Open(dir, Options{Waiting: func(ID) { fmt.Println("waiting") }})
	if err != nil {
		return err
	}
	if lapse, err := time.ParseDuration(os.Getenv(lapseVar)); err == nil {
		c.claims = claim.New(claim.Pace{Beat: lapse / 50, Lapse: lapse})
	}
	e, err := c.Put(context.Background(), testID(1), "by a child", func(f *os.File) error {
		note, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(note, os.Getpid()); err != nil {
			return err
		}
		if action == "hold" {
			fmt.Println("holding")
			for {
				time.Sleep(time.Hour) // until it is killed
			}
		}
		if action == "ask" {
			fmt.Println("holding")
			if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
				return err
			}
		}
		time.Sleep(20 * time.Millisecond) // for the others to meet it
		_, err = fmt.Fprintf(f, "made by %d", os.Getpid())
		return errors.Join(err, note.Close())
	})
	if err != nil {
		return err
	}
	text, err := io.ReadAll(e)
	fmt.Printf("%s\n", text)
	return errors.Join(err, e.Close(), c.Close())
}

// command is a child as an ordinary user, with the given wrapper before it.
func command(action, dir, log string, wrapper ...string) *exec.Cmd {
	args := append(wrapper, "/proc/self/exe", dir, log)
	if len(wrapper) > 0 {
		self, err := os.Executable() // strace's own is not it
		if err != nil {
			panic(err)
		}
		args[len(wrapper)] = self
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childVar+"="+action)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 && len(wrapper) == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: apart.UserID, Gid: apart.UserID}
	}
	return cmd
}

func testID(n int) ID { return ID{"test", fmt.Sprintf("%064x", n)} }

// open opens a cache and closes it with the test.
func open(t *testing.T, dir string, o Options) *Cache {
	t.Helper()
	c, err := Open(dir, o)
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

func fill(text string) func(*os.File) error {
	return func(f *os.File) error {
		_, err := f.WriteString(text)
		return err
	}
}

// put puts an entry with the given content and closes it.
func put(t *testing.T, c *Cache, id ID, text string) {
	t.Helper()
	e, err := c.Put(context.Background(), id, "", fill(text))
	must(t, err)
	wantContent(t, e, text)
}

// wantContent reads the entry to its end and closes it.
func wantContent(t *testing.T, e *Entry, want string) {
	t.Helper()
	got, err := io.ReadAll(io.NewSectionReader(e, 0, e.Size()))
	must(t, errors.Join(err, e.Close()))
	if string(got) != want {
		t.Errorf("the entry holds %q, want %q", got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// list returns what is in the kinds of the cache dir, hidden names included.
func list(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	kinds, err := os.ReadDir(dir)
	must(t, err)
	for _, kind := range kinds {
		if !kind.IsDir() {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(dir, kind.Name()))
		must(t, err)
		for _, e := range entries {
			names = append(names, kind.Name()+"/"+e.Name())
		}
	}
	return strings.Join(names, " ")
}

func wantError(t *testing.T, err error, text, remedy string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", text)
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("error %q lacks %q", err, text)
	}
	if got := hint.Of(err); !strings.Contains(got, remedy) || remedy != "" && got == "" {
		t.Errorf("hint of %q is %q, want %q", err, got, remedy)
	}
}

// userDir makes a directory of the user that children are.
func userDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	apart.GiveUser(t, dir)
	return dir
}
