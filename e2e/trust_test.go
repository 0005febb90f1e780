package e2e

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift/image/sif"
)

// trusting is somebody with rules: what is in a directory has to be signed by a key of theirs.
type trusting struct {
	*testing.T
	dir, sealift string
	uid          uint32 // who that is
}

// newTrusting makes a directory with a key and rules for a user.
func newTrusting(t *testing.T, uid uint32) *trusting {
	t.Helper()
	env := images(t)
	x := &trusting{t, t.TempDir(), filepath.Join(env["STAGE"], "bin/sealift"), uid}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	x.must(err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	x.must(err)
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	x.must(err)
	write(t, x.path("key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	write(t, x.path("key.pub"), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
	for _, name := range []string{"conf", "cache", "images"} {
		x.must(os.Mkdir(x.path(name), 0o755))
	}
	x.rule(false)
	x.run("image", "pack", "--quiet", env["BOX"], x.path("box.sif"))
	x.run("image", "unpack", x.path("box.sif"), x.path("tree"))
	write(t, x.path("tree/noise"), string(noise(20<<20)))
	return x
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func (x *trusting) path(name string) string { return filepath.Join(x.dir, name) }

func (x *trusting) must(err error) {
	x.Helper()
	if err != nil {
		x.Fatal(err)
	}
}

// rule writes the rules.
func (x *trusting) rule(tree bool) {
	x.Helper()
	write(x.T, x.path("conf/trust.toml"), fmt.Sprintf("[[rule]]\npath = %q\naction = \"verify\"\nsigners = [\"me\"]\ntree = %t\n"+
		"[[signer]]\nname = \"me\"\nkey = %q\n", x.path("images"), tree, x.path("key.pub")))
	if os.Geteuid() == 0 {
		for _, name := range []string{"conf", "conf/trust.toml", "cache", "key.pub", "key.pem"} {
			x.must(os.Chown(x.path(name), int(x.uid), int(x.uid)))
		}
	}
}

// image makes a signed image that prints a word.
func (x *trusting) image(name, word string) string {
	x.Helper()
	write(x.T, x.path("tree/word"), word+"\n")
	x.run("image", "pack", "--quiet", x.path("tree"), x.path(name))
	x.run("sign", "--key", x.path("key.pem"), x.path(name))
	return x.path(name)
}

// command is that of a user.
func (x *trusting) command(uid uint32, args ...string) *exec.Cmd {
	cmd := exec.Command(x.sealift, args...)
	cmd.Dir = x.dir
	cmd.Env = append(os.Environ(), "SEALIFT_CONFIGDIR="+x.path("conf"), "SEALIFT_CACHEDIR="+x.path("cache"), "HOME="+x.dir, "TERM=dumb")
	if os.Geteuid() == 0 && uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	return cmd
}

// run runs sealift as who runs the test.
func (x *trusting) run(args ...string) {
	x.Helper()
	if out, err := x.command(0, args...).CombinedOutput(); err != nil {
		x.Fatalf("sealift %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// partition returns where the file system of an image is.
func (x *trusting) partition(path string) (offset, size int64) {
	x.Helper()
	f, err := os.Open(path)
	x.must(err)
	defer f.Close()
	img, err := sif.Load(f)
	x.must(err)
	o, _ := img.PrimaryObject()
	return o.Offset, o.Size
}

// TestOwnedByAnother runs images whose owner, another user, overwrites them while they run.
func TestOwnedByAnother(t *testing.T) {
	const owner = testUID + 1
	if os.Geteuid() != 0 {
		t.Skip("only root can be two users; the run as root has this test")
	}
	x := newTrusting(t, testUID)
	for up := x.dir; up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
		x.must(os.Chmod(up, 0o755))
	}
	good := x.image("good.sif", "good")
	b, err := os.ReadFile(good)
	x.must(err)
	offset, size := x.partition(good)
	for _, rule := range []string{"whole", "remembered", "tree"} {
		for _, how := range []string{"overwritten", "cut short"} {
			t.Run(rule+", "+how, func(t *testing.T) {
				x := &trusting{t, x.dir, x.sealift, testUID}
				x.rule(rule == "tree")
				x.must(os.RemoveAll(x.path("cache/tree")))
				path := x.path("images/theirs.sif")
				x.must(errors.Join(os.RemoveAll(path), os.WriteFile(path, b, 0o644), os.Chown(path, owner, owner)))
				if rule == "remembered" {
					if out, err := x.command(testUID, "exec", path, "cat", "/word").CombinedOutput(); err != nil || string(out) != "good\n" {
						t.Fatalf("%v: %s", err, out)
					}
				}
				change := exec.Command("dd", "if=/dev/urandom", "of="+path, "bs=64k", "conv=notrunc", "status=none", "oflag=seek_bytes",
					fmt.Sprintf("seek=%d", offset+128<<10), fmt.Sprintf("count=%d", size>>16))
				if how == "cut short" {
					change = exec.Command("truncate", "-s", fmt.Sprint(offset+128<<10), path)
				}
				change.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner, Gid: owner}}
				x.changing(path, change)
				out, err := x.command(testUID, "exec", path, "cat", "/word").CombinedOutput()
				if err == nil || strings.Contains(string(out), "good") {
					t.Errorf("it is run again: %s", out)
				}
			})
		}
	}
}

// changing runs an image, which reads itself after a change.
func (x *trusting) changing(path string, change *exec.Cmd) {
	x.Helper()
	cmd := x.command(x.uid, "exec", path, "sh", "-c", "echo begun; read line; cat /noise >/dev/null; sleep 60")
	var msg bytes.Buffer
	cmd.Stderr = &msg
	in, err := cmd.StdinPipe()
	x.must(err)
	out, err := cmd.StdoutPipe()
	x.must(err)
	x.must(cmd.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "begun\n" {
		x.Fatalf("%q, %v: %s", line, err, msg.String())
	}
	if out, err := change.CombinedOutput(); err != nil {
		x.Fatalf("%v: %s", err, out)
	}
	begun := time.Now()
	_, err = in.Write([]byte("\n"))
	x.must(err)
	_ = cmd.Wait() // its status says it
	if cmd.ProcessState.ExitCode() != 125 || time.Since(begun) > 30*time.Second ||
		strings.Count(msg.String(), "sealift: error: ") != 1 || !strings.Contains(msg.String(), "does not match the image's hash tree") {
		x.Errorf("status %d: %s", cmd.ProcessState.ExitCode(), msg.String())
	}
}
