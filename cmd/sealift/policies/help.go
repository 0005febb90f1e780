package policies

import "github.com/spf13/cobra"

// Topic returns what "sealift help trust" prints.
func Topic() *cobra.Command {
	return &cobra.Command{
		Use: "trust", Short: "Rules for which images may be used (trust.toml)",
		Long: `Which images may be run, built from and pulled, rules say: the site's in
/etc/sealift/trust.toml and yours in ~/.config/sealift/trust.toml. Both have to
allow an image. Nobody but its owner may write to such a file and its directory.

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
An image is read whole before it starts for the first time. Your cache remembers
it by the digest that was signed: from then on it starts as fast as without
rules, and each block is checked when it is read. What does not match is an
input/output error and ends the job. --disable-cache has it read whole each
time, as images are whose signatures name no SHA-256 digest of the files, or
not all the same. With "tree", the hash tree in the image is used, and nothing
is read whole: Sealift holds the tree against the files when it signs; who signs
with another program signs whatever tree there is. Apptainer's ecl.toml, in
/etc/sealift or /etc/apptainer, is a third file.

That an image with a hash tree was allowed is remembered too, for a day, so that
neither rules nor signatures cost a start: while every byte of the rules, the
keyrings and the keys, whom these belong to and who may write there, the path of
the image, its signatures and its other objects are as they were. A key that you
remove or revoke, and a rule that you change, count from the next start on. Also
remembered is which paths the rules are about: other images start without them.

Rules protect you from the images of others; they do not bind you. In
particular a rule that denies a single file is no barrier: the same file may
have another name (a hard link), or be copied. Deny all, and allow or verify
what may be used.

A file of library:// is known by the host of the library that is asked: its
name's, or that of --library, of a definition's header or of the remote in use.
A source such as library://team, without a dot or a port in its first part,
is for what every library has by this name; library://tool is in
library://library/default.`,
	}
}
