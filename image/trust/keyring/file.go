package keyring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/output"
)

// maxFile bounds a file of keys in bytes: some 100,000 short keys, or 25,000 of
// RSA 4096.
const maxFile = 64 << 20

// File is a keyring in a file: keys one after the other, without armour.
type File struct {
	// Path is in a directory that is for keyrings, or the site's.
	Path string
	// Secret says that it holds secret keys.
	Secret bool
	// mode is of the file, and dirMode of its directory, where they are made.
	mode, dirMode fs.FileMode
}

// Public is the file of the keys that a user trusts, in a directory.
func Public(dir string) File {
	return File{filepath.Join(dir, buildcfg.PublicRing), false, 0o600, 0o700}
}

// Secret is the file of the keys that a user signs with.
func Secret(dir string) File {
	return File{filepath.Join(dir, buildcfg.SecretRing), true, 0o600, 0o700}
}

// Site is the file of the keys that a site trusts for its users.
func Site(dir string) File { return File{filepath.Join(dir, buildcfg.SiteRing), false, 0o644, 0o755} }

// Read reads the file; one that is missing is empty. It is refused if others than
// the user and root may have changed it, or may read secret keys.
func (f File) Read() (*Ring, error) {
	text, err := f.read()
	if err != nil {
		return nil, err
	}
	r := &Ring{}
	r.blocks, r.damage = split(text)
	if r.damage != nil {
		r.damage = fmt.Errorf("%s: %w", f.Path, r.damage)
	}
	for i, b := range r.blocks {
		if f.Secret && b.err == nil && !b.key.secret {
			// Apptainer leaves this of the others when it removes a secret key.
			r.blocks[i].err = hint.New(fmt.Sprintf("the secret part of the key %s was lost", b.key.Fingerprint()), "import the key again")
		}
	}
	r.index()
	return r, nil
}

func (f File) read() (text []byte, err error) {
	file, err := os.OpenFile(f.Path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, unix.ELOOP) {
		return nil, hint.New(f.Path+" is a symbolic link", "put the file itself there, or name its directory with --keysdir")
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := f.check(file); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(file, maxFile)) // it may grow meanwhile
}

// check refuses what others may change. It looks at the file that is open.
func (f File) check(file *os.File) error {
	st, err := file.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return hint.New(f.Path+" is not a regular file", "move it away")
	}
	if st.Size() > maxFile {
		return hint.New(fmt.Sprintf("%s has more than %d bytes", f.Path, maxFile), "remove keys, or keep them in several directories")
	}
	if err := checkWriters(f.Path, st); err != nil {
		return err
	}
	if f.Secret && st.Mode()&0o077 != 0 {
		return hint.New(fmt.Sprintf("others may read the secret keys in %s: its mode is %04o", f.Path, st.Mode().Perm()),
			"chmod 600 %s, and think of replacing the keys", f.Path)
	}
	return f.checkDir()
}

func (f File) checkDir() error {
	dir := filepath.Dir(f.Path)
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	return checkWriters(dir, st)
}

// checkWriters refuses what belongs to others, or may be written by them.
func checkWriters(path string, st fs.FileInfo) error {
	if s, ok := st.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Geteuid() && s.Uid != 0 {
		return hint.New(fmt.Sprintf("keys are not taken from %s: it belongs to user %d", path, s.Uid), "keep them in a directory of your own: --keysdir")
	}
	if st.Mode()&0o022 != 0 {
		return hint.New(fmt.Sprintf("keys are not taken from %s: others may write there, its mode is %04o", path, st.Mode().Perm()),
			"chmod go-w %s after a look at the keys", path)
	}
	return nil
}

// Added is what Add did.
type Added struct {
	// New keys were not there before, Updated ones got users, subkeys or
	// signatures, and Known ones had all of them.
	New, Updated, Known []*Key
}

// Add adds keys, to a file of public keys what is public of them. A key that is
// there gets what is new of it. The file changes at once, after those changes
// that other processes of this program make.
func (f File) Add(ctx context.Context, keys ...*Key) (Added, error) {
	var a Added
	err := f.change(ctx, func(r *Ring) (bool, error) {
		a = Added{}
		for _, k := range keys {
			if err := f.add(r, k, &a); err != nil {
				return false, err
			}
		}
		return len(a.New)+len(a.Updated) > 0, nil
	})
	if err != nil {
		return Added{}, err
	}
	return a, nil
}

func (f File) add(r *Ring, k *Key, a *Added) (err error) {
	if f.Secret && !k.secret {
		return fmt.Errorf("%s is for secret keys", f.Path)
	}
	if !f.Secret {
		if k, err = k.Public(); err != nil {
			return err
		}
	}
	if _, err := k.entity(); err != nil {
		return err
	}
	i := r.position(k.Fingerprint())
	if i < 0 {
		r.append(k)
		a.New = append(a.New, k)
		return nil
	}
	if r.blocks[i].err != nil {
		r.blocks[i] = block{packets: k.packets, key: k}
		a.New = append(a.New, k)
		return nil
	}
	both, err := r.blocks[i].key.merged(k)
	switch {
	case err != nil:
		return fmt.Errorf("key %s: %w", k.Fingerprint(), err)
	case len(both.packets) == len(r.blocks[i].packets):
		a.Known = append(a.Known, both)
	default:
		r.blocks[i] = block{packets: both.packets, key: both}
		a.Updated = append(a.Updated, both)
	}
	return nil
}

// ErrNotFound is that a keyring does not have a key.
var ErrNotFound = errors.New("the keyring does not have the key")

// Remove removes the key of a fingerprint of 40 digits.
func (f File) Remove(ctx context.Context, fingerprint string) error {
	return f.change(ctx, func(r *Ring) (bool, error) {
		i := r.position(fingerprint)
		if i < 0 {
			return false, fmt.Errorf("%s: %w %s", f.Path, ErrNotFound, fingerprint)
		}
		r.blocks = append(r.blocks[:i:i], r.blocks[i+1:]...)
		return true, nil
	})
}

// change replaces the file by what change makes of it, if that says so.
func (f File) change(ctx context.Context, change func(*Ring) (bool, error)) error {
	if err := os.MkdirAll(filepath.Dir(f.Path), f.dirMode); err != nil {
		return err
	}
	if err := f.checkDir(); err != nil {
		return err
	}
	return output.Update(ctx, f.Path, f.mode, func() ([]byte, error) {
		r, err := f.Read()
		if err == nil {
			err = r.damage // what is behind it would be lost
		}
		if err != nil {
			return nil, err
		}
		changed, err := change(r)
		if err != nil || !changed {
			return nil, err
		}
		text := []byte{}
		for _, b := range r.blocks {
			for _, p := range b.packets {
				text = p.append(text)
			}
		}
		return text, nil
	})
}
