package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Passphrase is how a command gets to know a passphrase: by a file, or a
// question on the standard input.
type Passphrase struct{ file string }

// Add adds the flag.
func (x *Passphrase) Add(flags *pflag.FlagSet) {
	flags.StringVar(&x.file, "passphrase-file", "", "read the passphrase of the key from `FILE`, without the end of its last line")
	Bind(flags, "passphrase-file", "PASSPHRASE_FILE")
}

// Given says whether a file is named.
func (x *Passphrase) Given() bool { return x.file != "" }

// Ask returns the passphrase of what there is. Try counts from 1; there is a
// question again, but no file is read twice.
func (x *Passphrase) Ask(ctx context.Context, p *Process, question string, try int) ([]byte, error) {
	if x.file == "" {
		if try > 1 {
			p.Warn("the passphrase is wrong")
		}
		line, err := p.AskHidden(ctx, question)
		return []byte(line), err
	}
	if try > 1 {
		return nil, hint.New(fmt.Sprintf("the passphrase in %s is wrong", x.file), "correct the file, or leave out --passphrase-file to be asked")
	}
	return x.read(p)
}

// maxTries is how often a new passphrase may be typed in two ways.
const maxTries = 3

// AskNew returns a passphrase for what is new. A question is asked twice.
func (x *Passphrase) AskNew(ctx context.Context, p *Process, question string) ([]byte, error) {
	if x.file != "" {
		return x.read(p)
	}
	for range maxTries {
		one, err1 := p.AskHidden(ctx, question)
		two, err2 := p.AskHidden(ctx, "Retype your passphrase : ")
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		if one == two {
			return []byte(one), nil
		}
		p.Warn("the two are not the same")
	}
	return nil, hint.New("no passphrase was typed the same twice", "use --passphrase-file")
}

func (x *Passphrase) read(p *Process) (secret []byte, err error) {
	f, err := os.Open(x.file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() && st.Mode()&0o077 != 0 {
		p.Warn("others may read the passphrase in %s: chmod 600 it", x.file)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(text) > maxSecret {
		err = errTooLong
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", x.file, err)
	}
	return []byte(strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")), nil
}
