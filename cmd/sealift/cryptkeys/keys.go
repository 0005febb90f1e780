// Package cryptkeys is the flags and variables that say how encrypted images are opened
// and made: --passphrase, --pem-path, SEALIFT_ENCRYPTION_PASSPHRASE and so on.
//
// Input: the command line, the environment, and the terminal, where passphrases
// are asked for. Output: keys. It shows no passphrase and no key to anybody.
package cryptkeys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/crypt"
)

// The variables, without prefix.
const (
	passphraseKey = "ENCRYPTION_PASSPHRASE"
	pathKey       = "ENCRYPTION_PEM_PATH"
	dataKey       = "ENCRYPTION_PEM_DATA"
)

// Help is what the help of a command says about keys.
const Help = `The key of an encrypted image is named by --pem-path or, asked for on the
terminal, --passphrase; else by the variables SEALIFT_ENCRYPTION_PEM_PATH, a
file, SEALIFT_ENCRYPTION_PEM_DATA, the text of one, or
SEALIFT_ENCRYPTION_PASSPHRASE, the first that is set. If the key in PEM form is
itself encrypted, the last one is its passphrase.`

// Flags are the flags of a command that opens images.
type Flags struct {
	ask bool
	pem string
}

// Add adds the flags.
func (f *Flags) Add(flags *pflag.FlagSet) {
	flags.BoolVar(&f.ask, "passphrase", false, "ask for the passphrase of an encrypted image")
	flags.StringVar(&f.pem, "pem-path", "", "`file` with the RSA key of an encrypted image, in PEM form")
}

// Given tells whether a flag names a key.
func (f *Flags) Given() bool { return f.ask || f.pem != "" }

// Keys are the keys that flags and variables name. They are read, or asked for,
// when they are needed, and once.
type Keys struct{ flags, variables func() (*crypt.Key, error) }

// Keys returns the keys. A passphrase for an image that is made is asked for
// twice.
func (f *Flags) Keys(ctx context.Context, p *ui.Process, twice bool) *Keys {
	r := reader{ctx, p, twice, "/dev/tty"}
	return &Keys{
		flags: sync.OnceValues(func() (*crypt.Key, error) {
			switch {
			case f.pem != "":
				return r.file("--pem-path "+f.pem, f.pem)
			case f.ask:
				return r.passphrase()
			}
			return nil, nil
		}),
		variables: sync.OnceValues(r.variables),
	}
}

// Named tells whether there is a variable that names a key.
func Named(p *ui.Process) bool {
	for _, key := range []string{pathKey, dataKey, passphraseKey} {
		if name, _ := p.Setting(key); name != "" {
			return true
		}
	}
	return false
}

// Key returns the key of the flags, or else that of the variables, or nil.
func (k *Keys) Key() (*crypt.Key, error) { return first(k.flags, k.variables) }

// Base returns the key of the variables, or else that of the flags, or nil: for
// the image that a build starts from, as flags name the key of the new one.
func (k *Keys) Base() (*crypt.Key, error) { return first(k.variables, k.flags) }

func first(sources ...func() (*crypt.Key, error)) (*crypt.Key, error) {
	for _, source := range sources {
		if k, err := source(); k != nil || err != nil {
			return k, err
		}
	}
	return nil, nil
}

// reader reads keys.
type reader struct {
	ctx   context.Context
	p     *ui.Process
	twice bool
	tty   string // the terminal that controls this process
}

func (r reader) variables() (*crypt.Key, error) {
	if name, path := r.p.Setting(pathKey); name != "" {
		return r.file(name+"="+path, path)
	}
	if name, text := r.p.Setting(dataKey); name != "" {
		return r.parse(name, []byte(text))
	}
	name, text := r.p.Setting(passphraseKey)
	if name == "" {
		return nil, nil
	}
	k, err := crypt.Passphrase(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return k, nil
}

// file reads a PEM file, which errors call by name.
func (r reader) file(name, path string) (*crypt.Key, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("%s: %w", name, err), "name a file with an RSA key in PEM form")
	}
	return r.parse(name, text)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	text, err := io.ReadAll(io.LimitReader(f, crypt.MaxPEM))
	return text, errors.Join(cause(err), f.Close())
}

// cause is an error without the path, which is named already.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func (r reader) parse(name string, text []byte) (*crypt.Key, error) {
	k, err := crypt.ParsePEM(text, func() (string, error) {
		if _, text := r.p.Setting(passphraseKey); text != "" {
			return text, nil
		}
		return r.prompt("Passphrase of the key: ")
	})
	if errors.Is(err, crypt.ErrKeyPassphrase) {
		err = hint.Wrap(err, "give the passphrase of the key on the terminal, or in SEALIFT_%s", passphraseKey)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return k, nil
}

// passphrase asks for the passphrase of an image.
func (r reader) passphrase() (*crypt.Key, error) {
	text, err := r.prompt("Encryption passphrase: ")
	if err == nil && r.twice && text != "" {
		var again string
		if again, err = r.prompt("The same again: "); err == nil && again != text {
			err = hint.New("the two passphrases differ", "type the same twice")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("--passphrase: %w", err)
	}
	k, err := crypt.Passphrase(text)
	if err != nil {
		return nil, fmt.Errorf("--passphrase: %w", err)
	}
	return k, nil
}

// prompt asks on the terminal that controls this process, as the standard input
// may be the payload's, or else on the standard input.
func (r reader) prompt(question string) (secret string, err error) {
	p := *r.p
	if tty, err := os.OpenFile(r.tty, os.O_RDWR|syscall.O_NOCTTY, 0); err == nil {
		defer tty.Close()
		p.Stdin, p.Err = tty, tty
	}
	err = ui.Interruptible(r.ctx, func(ctx context.Context) (err error) {
		secret, err = p.AskSecret(ctx, question)
		return hint.Wrap(err, "run it on a terminal, or set SEALIFT_%s", passphraseKey)
	})
	return secret, err
}
