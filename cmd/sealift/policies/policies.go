// Package policies finds the rules of which images may be used, and the keys that
// they name.
//
// Input: the files trust.toml of the site and the user, and Apptainer's ecl.toml.
// Output: the Gate that every command which uses images asks. A file that is
// missing has no rules; one that cannot be read, that others may change, or that
// says what is not understood lets no image be used.
package policies

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/keys"
	"github.com/sealift/sealift/cmd/sealift/rulefiles"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/oci"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/gate"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/merkle"
	"github.com/sealift/sealift/image/trust/pem"
	"github.com/sealift/sealift/image/trust/policy"
)

// maxFile bounds a file in bytes.
const maxFile = 4 << 20

// Open returns what the rules allow, nil where there are none. With anew, images that have
// to be read whole are, whatever is remembered of them, and nothing is.
func Open(p *ui.Process, anew bool) (image.Gate, error) {
	g, err := open(p, rulefiles.Of(p), uint32(os.Getuid()))
	if g == nil {
		return nil, err
	}
	remembering(p, g, anew)
	return g, err
}

// Hold returns what decides about an image by the rules, by the name that it has
// elsewhere if that is not empty. With always, every image is held against its hash
// tree, also where no rule demands it. One that was made of an OCI image was judged
// by that image when it was got, and is not again. Anew is Open's.
func Hold(ctx context.Context, p *ui.Process, name string, always, anew bool) (image.Hold, error) {
	g, err := Open(p, anew)
	if err != nil {
		return nil, err
	}
	var byRules image.Hold
	if transport, _, ok := strings.Cut(name, ":"); g != nil && (!ok || !slices.Contains(oci.Transports(), transport)) {
		byRules = interruptible(ctx, g, name)
	}
	if !always {
		return byRules, nil
	}
	return func(f *os.File, img *sif.Image) (r *merkle.Reader, err error) {
		if byRules != nil {
			r, err = byRules(f, img)
		}
		if r == nil && err == nil {
			r, err = merkle.Held(img)
		}
		return r, err
	}, nil
}

// interruptible returns what decides about images of a name by the rules.
// What it reads takes its time, which the signals that end a program end.
func interruptible(ctx context.Context, g image.Gate, name string) image.Hold {
	return func(f *os.File, img *sif.Image) (r *merkle.Reader, err error) {
		err = ui.Interruptible(ctx, func(ctx context.Context) (err error) {
			r, err = g.Hold(ctx, name)(f, img)
			return err
		})
		return r, err
	}
}

// Signing returns the key that builds sign with: what the user's file says, or else
// the site's; empty where neither says so.
func Signing(p *ui.Process) (key string, err error) {
	at := rulefiles.Of(p)
	user, err := own(p, at.User, uint32(os.Getuid()))
	if err != nil || user != nil && user.Sign != "" {
		return signOf(user), err
	}
	site, err := parsed(at.Site, policy.Parse, 0)
	return signOf(site), err
}

func signOf(f *policy.File) string {
	if f == nil {
		return ""
	}
	return f.Sign
}

// open reads the files. The site's have to be root's, the user's theirs or root's.
func open(p *ui.Process, at rulefiles.Paths, uid uint32) (*gate.Gate, error) {
	site, err := parsed(at.Site, policy.Parse, 0)
	if err != nil {
		return nil, err
	}
	user, err := own(p, at.User, uid)
	if err != nil {
		return nil, err
	}
	var ecl *policy.File
	for _, path := range at.ECL {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if ecl, err = parsed(path, policy.ParseECL, 0); err != nil {
			return nil, err
		}
		break
	}
	if site == nil && user == nil && ecl == nil {
		return nil, nil
	}
	g := &gate.Gate{
		Policy: policy.New(site, user, ecl), Plain: map[policy.Signer]*pem.PublicKey{}, Now: time.Now(), Locate: locate,
		Keys: func() (keyring.Rings, error) { return rings(p) },
	}
	for _, f := range []*policy.File{site, user, ecl} {
		if f == nil {
			continue
		}
		f.Resolve(resolve)
		owners := []uint32{0}
		if f == user {
			owners = append(owners, uid)
		}
		if err := addPlain(g, f, owners); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// addPlain reads the keys of the signers that a file names by files, which are to be
// as it is itself.
func addPlain(g *gate.Gate, f *policy.File, owners []uint32) error {
	for _, s := range f.Signers() {
		if s.Fingerprint != "" || g.Plain[s] != nil {
			continue
		}
		key, err := plain(s, g.Now, func(path string) ([]byte, error) { return read(path, 0, owners) })
		if err != nil {
			return hint.Wrap(fmt.Errorf("signer %q: %w", s.Name, err),
				"no image is used until the file with the rules names keys that are there and that nobody but its owner may change")
		}
		g.Plain[s] = key
	}
	return nil
}

// own reads the file of the user. Where the whole home cannot be entered, as it is with
// the HOME of somebody else, or for root on some network file systems, it has no say.
func own(p *ui.Process, path string, uid uint32) (*policy.File, error) {
	f, err := parsed(path, policy.Parse, 0, uid)
	home := p.Variable("HOME")
	if !errors.Is(err, fs.ErrPermission) || !strings.HasPrefix(path, home+"/") {
		return f, err
	}
	if _, entered := os.Lstat(home + "/."); errors.Is(entered, fs.ErrPermission) {
		p.Warn("%s cannot be entered: if it has rules for images, they do not count", home)
		return nil, nil
	}
	return f, err
}

// parsed reads a file that one of owners has to own.
func parsed(path string, parse func(name string, text []byte) (*policy.File, error), owners ...uint32) (*policy.File, error) {
	if path == "" {
		return nil, nil
	}
	text, err := read(path, syscall.O_NOFOLLOW, owners)
	if err == nil {
		err = checkDir(filepath.Dir(path), owners)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("rules for images: %w", err),
			"let it be a file that nobody but its owner may write to, in such a directory; no image is used until then")
	}
	return parse(path, text)
}

// checkDir refuses a directory from which others may take the file with the rules.
func checkDir(dir string, owners []uint32) error {
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, mode := st.Sys().(*syscall.Stat_t).Uid, st.Mode()
	switch {
	case owner != 0 && !slices.Contains(owners, owner):
		return fmt.Errorf("the directory %s belongs to the user %d", dir, owner)
	case mode.Perm()&0o022 != 0 && mode&fs.ModeSticky == 0:
		return fmt.Errorf("what is in %s may be changed by others: its mode is %04o", dir, mode.Perm())
	}
	return nil
}

// read reads a file that nobody but its owner may write to.
func read(path string, flags int, owners []uint32) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|flags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	owner, mode := st.Sys().(*syscall.Stat_t).Uid, st.Mode()
	switch {
	case !mode.IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case !slices.Contains(owners, owner):
		return nil, fmt.Errorf("%s belongs to the user %d", path, owner)
	case mode.Perm()&0o022 != 0:
		return nil, fmt.Errorf("%s may be changed by others: its mode is %04o", path, mode.Perm())
	case st.Size() > maxFile:
		return nil, fmt.Errorf("%s has %d bytes, more than %d", path, st.Size(), maxFile)
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// rings returns the keys that the user and the site trust.
func rings(p *ui.Process) (list keyring.Rings, err error) {
	r := keys.Usual(p)
	own, err := r.Public(p)
	if err != nil {
		return nil, err
	}
	for _, f := range []keyring.File{own, keys.Site()} {
		ring, err := keys.Read(p, f)
		if err != nil {
			return nil, err
		}
		list = append(list, ring)
	}
	return list, nil
}

// locate returns where an open file is, or was before its name was taken from it:
// proc_pid_fd(5). What is at that path for others, such as in another mount
// namespace, may be another file here, which the rules for the path do not mean.
func locate(f *os.File) (string, error) {
	for range 3 { // it may be renamed meanwhile
		path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		switch before, gone := strings.CutSuffix(path, " (deleted)"); {
		case err != nil:
			return "", err
		case !filepath.IsAbs(path):
			return "", fmt.Errorf("%s is out of reach", path)
		case isAt(f, path):
			return path, nil
		case gone:
			return before, nil
		}
	}
	return "", hint.New(fmt.Sprintf("%s is not at the path that it was opened by", filepath.Base(f.Name())),
		"copy it to a place that can be seen from here; rules for paths cannot be applied to it")
}

func isAt(f *os.File, path string) bool {
	st, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(st, there)
}

// resolve returns a path without symbolic links, or nothing if it is not there.
func resolve(path string) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	return real
}
