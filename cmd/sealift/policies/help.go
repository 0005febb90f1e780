package policies

import "github.com/spf13/cobra"

// Topic returns what "sealift help trust" prints.
func Topic() *cobra.Command {
	return &cobra.Command{
		Use: "trust", Short: "Rules for which images may be used (trust.toml)",
		Long: `Which images may be run, built from and pulled, rules say: the site's in
/etc/sealift/trust.toml and yours in ~/.config/sealift/trust.toml. Both have to
allow an image. Nobody but its owner may write to such a file.

  [default]                   # for images that no rule is for
  action = "verify"           # or "allow", "deny"

  [[signer]]
  name = "release"
  fingerprint = "0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567"
  # or key = "/etc/sealift/release.pem", or certificate = "/etc/…" with
  # intermediates and roots

  [[rule]]
  path = "/shared/images"     # a file, or a directory and all below
  action = "verify"
  signers = ["release", "89AB…"]
  need = 2                    # so many of them, 1 if that is not there
  strict = true               # no other signature may be there
  forbidden = ["…"]           # nor one by these

  [[rule]]
  source = "docker.io/library"  # what is pulled and built from; also with
  action = "allow"              # oras://, library:// or https:// in front

  [build]
  sign = "yes"                # sign what is built, as 'build --sign' does

The longest path or source counts. "verify" without signers wants a signature
by a key of your keyring or the site's. A signature has to be good and to cover
the whole image: OCI images have none. What was verified is what runs, whoever
writes to the file meanwhile; an image with a hash tree, as 'sealift build' and
'sealift sign' make them, starts as fast as without rules, any other is read
first. Apptainer's ecl.toml, in /etc/sealift or /etc/apptainer, is a third file.`,
	}
}
