package builds

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

func TestSeal(t *testing.T) {
	const pass = "APPTAINER_ENCRYPTION_PASSPHRASE=open sesame"
	for _, c := range []struct {
		args, environ          []string
		key, told, err, remedy string
	}{
		{nil, nil, "", "", "", ""},
		{nil, []string{pass}, "", "the image is not encrypted", "", ""},
		{[]string{"--encrypt"}, []string{pass}, "a passphrase", "", "", ""},
		{[]string{"-e", "--reproducible"}, []string{pass}, "a passphrase", "never the same twice", "", ""},
		{[]string{"-e"}, nil, "", "", "there is no key to encrypt the image for", "add --passphrase or --pem-path FILE"},
		{[]string{"--pem-path", "/none"}, []string{pass}, "", "", "--pem-path /none", "PEM form"},
	} {
		b, flags := parseFlags(t, c.args...)
		cmd := &cobra.Command{}
		cmd.SetContext(t.Context())
		cmd.Flags().AddFlagSet(flags)
		var told bytes.Buffer
		err := b.seal(cmd, &ui.Process{Environ: c.environ, Terminal: ui.Terminal{Err: &told}})
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(hint.Of(err), c.remedy) {
				t.Errorf("%q %q: %v, hint %q", c.args, c.environ, err, hint.Of(err))
			}
		case err != nil || (b.Seal == nil) != (c.key == "") || b.Seal != nil && b.Seal.String() != c.key:
			t.Errorf("%q %q: %v, %v", c.args, c.environ, b.Seal, err)
		}
		if !strings.Contains(told.String(), c.told) || (c.told == "") != (told.Len() == 0) {
			t.Errorf("%q %q: told %q", c.args, c.environ, told.String())
		}
	}
}
