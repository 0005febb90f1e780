package policies

import (
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
	"github.com/sealift/sealift/cmd/sealift/rulefiles"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/cmd/sealift/verdicts"
	"github.com/sealift/sealift/image/trust/gate"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/pem"
	"github.com/sealift/sealift/image/trust/policy"
)

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

// opened is the Gate of some files, and what its decisions follow from beside those files, the
// keyrings and the image.
type opened struct {
	*gate.Gate
	files []verdicts.File   // of keys that rules name, before they were read
	links map[string]string // where paths in rules lead
	// brief is that a certificate expires before verdicts do, or that there was something to
	// say of the keys, which is to be said each time.
	brief bool
}

// open reads the files. The site's have to be root's, the user's theirs or root's.
func open(p *ui.Process, at rulefiles.Paths, uid uint32) (*opened, error) {
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
	o := &opened{links: map[string]string{}}
	o.Gate = &gate.Gate{
		Policy: policy.New(site, user, ecl), Plain: map[policy.Signer]*pem.PublicKey{}, Now: time.Now(), Locate: rulefiles.Locate,
		Keys: func() (keyring.Rings, error) {
			list, odd, err := rings(p)
			o.brief = o.brief || odd
			return list, err
		},
	}
	for _, f := range []*policy.File{site, user, ecl} {
		if f == nil {
			continue
		}
		f.Resolve(func(path string) string {
			o.links[path] = rulefiles.Resolve(path)
			return o.links[path]
		})
		owners := []uint32{0}
		if f == user {
			owners = append(owners, uid)
		}
		if err := o.addPlain(f, owners); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// later is when a verdict of now ends to count.
func (o *opened) later() time.Time { return o.Now.Add(verdicts.Lifetime) }

// addPlain reads the keys of the signers that a file names by files, which are to be
// as it is itself.
func (o *opened) addPlain(f *policy.File, owners []uint32) error {
	for _, s := range f.Signers() {
		if s.Fingerprint != "" || o.Plain[s] != nil {
			continue
		}
		key, lasts, err := plain(s, o.Now, o.later(), func(path string) ([]byte, error) {
			before, err := verdicts.Look(path)
			o.files, o.brief = append(o.files, before), o.brief || err != nil
			return read(path, 0, owners) // whose error says more
		})
		if err != nil {
			return hint.Wrap(fmt.Errorf("signer %q: %w", s.Name, err),
				"no image is used until the file with the rules names keys that are there and that nobody but its owner may change")
		}
		o.Plain[s], o.brief = key, o.brief || !lasts
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
