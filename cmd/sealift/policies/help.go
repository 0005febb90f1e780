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
  tree = true                 # these people sign with Sealift, see below

  [[rule]]
  source = "docker.io/library"  # what is pulled and built from; also with
  action = "allow"              # oras://, library:// or https:// in front

  [build]
  sign = "yes"                # sign what is built, as 'build --sign' does

The path or source with the most components counts; of two with as many, the
one with a transport such as oras://. Links and dots in paths do not matter,
nor do letters of hosts, usual ports and the other names of docker.io. "verify"
without signers wants a signature by a key of your keyring or the site's. A
signature has to be good and to cover the whole image: OCI images have none.
What was verified is what runs, whoever writes to the file meanwhile.
An image is read whole before it starts. With "tree", its hash tree is used
instead, and it starts as fast as without rules: Sealift holds the tree against
the files when it signs; who signs with another program signs whatever tree
there is. Apptainer's ecl.toml, in /etc/sealift or /etc/apptainer, is a third
file.

Rules protect you from the images of others; they do not bind you. In
particular a rule that denies a single file is no barrier: the same file may
have another name (a hard link), or be copied. Deny all, and allow or verify
what may be used. Files of library:// go by the host that their name or
definition gives; without one, by their path alone, whichever library is in
use.`,
	}
}
