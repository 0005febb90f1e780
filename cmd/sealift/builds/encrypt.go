package builds

import (
	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/cryptkeys"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

// seal finds the key that the output is encrypted for, if it is to be: the flags
// that name a key ask for that too.
func (b *buildFlags) seal(c *cobra.Command, p *ui.Process) (err error) {
	b.found = b.keys.Keys(c.Context(), p, true)
	if !b.encrypt && !b.keys.Given() {
		if cryptkeys.Named(p) {
			p.Warn("the image is not encrypted: there is a key in the environment, and no --encrypt")
		}
		return nil
	}
	if b.Seal, err = b.found.Key(); err != nil {
		return err
	}
	if b.Seal == nil {
		return hint.New("--encrypt: there is no key to encrypt the image for",
			"add --passphrase or --pem-path FILE, or set SEALIFT_ENCRYPTION_PASSPHRASE or SEALIFT_ENCRYPTION_PEM_PATH")
	}
	if c.Flags().Changed("reproducible") && b.Reproducible {
		p.Warn("an encrypted image is never the same twice, --reproducible or not")
	}
	return nil
}
