// Package trusts is the commands sign and verify.
//
// Input: paths of images, flags, the environment, keyrings (cmd/sealift/keys),
// keys and certificates in PEM files, passphrases. Output: signatures in images
// (image/trust), and what is known of those that are there, as Apptainer prints
// it or as JSON, with exit codes that say why an image is not trusted.
package trusts

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/sif/siffile"
	"github.com/sealift/sealift/image/trust"
	"github.com/sealift/sealift/image/trust/pem"
	"github.com/sealift/sealift/image/trust/policy"
)

// Exit codes of verify.
const (
	exitUnsigned = 3 // something has no signature
	exitUnknown  = 4 // no signature is by a key that is known
	exitTampered = 5 // the image is not what was signed, or a signature is in a form that is not taken
	exitRefused  = 7 // the rules for images do not allow it
	exitOutdated = 6 // the key was revoked or is weak, or it or the signature has expired
)

// maxPEM bounds a file of keys or certificates in bytes.
const maxPEM = 1 << 20

// Commands returns sign and verify.
func Commands(p *ui.Process) []*cobra.Command {
	return []*cobra.Command{signCommand(p), verifyCommand(p)}
}

// untrusted is why an image is not trusted, with the exit code that says so.
type untrusted struct {
	error
	code int
}

func (u untrusted) ExitCode() int { return u.code }

func (u untrusted) Unwrap() error { return u.error }

// coded gives an error that is about trust its exit code.
func coded(err error) error {
	var f *trust.Failure
	var c *pem.CertificateError
	var refused *policy.Refusal
	switch {
	case errors.As(err, &f):
		code, ok := map[trust.State]int{
			"": exitUnsigned, trust.Unknown: exitUnknown, trust.Tampered: exitTampered,
			trust.Expired: exitOutdated, trust.Revoked: exitOutdated, trust.Weak: exitOutdated,
		}[f.State]
		if ok {
			return untrusted{err, code}
		}
	case errors.As(err, &refused):
		return untrusted{err, exitRefused}
	case errors.As(err, &c) && c.Problem == pem.Untrusted:
		return untrusted{err, exitUnknown}
	case errors.As(err, &c):
		return untrusted{err, exitOutdated}
	}
	return err
}

// selection is the flags that choose a part of an image.
type selection struct {
	flags         *pflag.FlagSet
	group, object uint32
}

// add adds the flags, also by the names that they had once.
func (s *selection) add(flags *pflag.FlagSet, does string) {
	s.flags = flags
	for _, name := range []string{"group-id", "groupid"} {
		flags.Uint32VarP(&s.group, name, map[string]string{"group-id": "g"}[name], 0, does+" the group of objects with the id `N`")
	}
	for _, name := range []string{"sif-id", "id"} {
		flags.Uint32VarP(&s.object, name, map[string]string{"sif-id": "i"}[name], 0, does+" the object with the id `N`")
	}
	hide(flags, "groupid", "id")
}

// hide keeps flags that are still understood out of the help.
func hide(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		flags.Lookup(name).Hidden = true
	}
}

// chosen returns the ids that are asked for.
func (s *selection) chosen() (groups, objects []uint32, err error) {
	if s.flags.Changed("group-id") || s.flags.Changed("groupid") {
		groups = []uint32{s.group}
	}
	if s.flags.Changed("sif-id") || s.flags.Changed("id") {
		objects = []uint32{s.object}
	}
	if len(groups) > 0 && s.group == 0 || len(objects) > 0 && s.object == 0 {
		return nil, nil, hint.New("ids count from 1", "'sealift sif list' shows them")
	}
	return groups, objects, nil
}

// openImage opens a file as a SIF image.
func openImage(path string, mode int) (*os.File, *sif.Image, error) {
	f, err := siffile.Open(path, mode)
	if err != nil {
		return nil, nil, err
	}
	img, err := sif.Load(f)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return f, img, nil
}

// readPEM reads a file of keys or certificates.
func readPEM[T any](path string, parse func([]byte) (T, error)) (T, error) {
	var none T
	f, err := os.Open(path)
	if err != nil {
		return none, hint.Wrap(err, "check the path")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err == nil && len(text) > maxPEM {
		err = fmt.Errorf("it has more than %d bytes", maxPEM)
	}
	v := none
	if err = errors.Join(err, f.Close()); err == nil {
		v, err = parse(text)
	}
	if err != nil {
		return none, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}
