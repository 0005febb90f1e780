package trust

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/pem"
)

// moduleDir is where the library's test images are.
func moduleDir(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/sylabs/sif/v2").Output()
	must(t, err)
	return filepath.Join(strings.TrimSpace(string(out)), "test")
}

// The library's own images, made by it and by old programs.
func TestCorpus(t *testing.T) {
	dir := moduleDir(t)
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		return b
	}
	keys, problems := keyring.Parse(read("keys/private.asc"))
	must(t, errors.Join(problems...))
	known := Options{Keys: ring(t, keys...)}
	for _, name := range []string{"ecdsa", "ed25519", "rsa"} {
		k, err := pem.ParsePublic(name, read("keys/"+name+"-public.pem"))
		must(t, err)
		known.Plain = append(known.Plain, k)
	}
	legacy, all, group := known, known, known
	legacy.Legacy, all.Legacy, all.All = true, true, true
	group.Legacy, group.Groups = true, []uint32{1}
	const alice = "[Unit Test <unit@test.com>]"
	for _, c := range []struct {
		image  string
		o      Options
		states string
		fails  State
		ok     bool
	}{
		{"one-group", known, "", "", false},
		{"one-group-signed-pgp", known, "3 PGP verified " + alice + " [1 2]\n", "", true},
		{"one-group-signed-pgp", Options{}, "3 PGP unknown key [] []\n", Unknown, false},
		{"two-groups-signed-pgp", known, "4 PGP verified " + alice + " [1 2]\n5 PGP verified " + alice + " [3]\n", "", true},
		{"one-group-signed-dsse", known, "3 DSSE verified [ed25519 rsa] [1 2]\n", "", true},
		{"one-group-signed-dsse", Options{Plain: known.Plain[1:2]}, "3 DSSE verified [ed25519] [1 2]\n", "", true},
		{"one-group-signed-dsse", Options{Keys: known.Keys}, "3 DSSE unknown key [] []\n", Unknown, false},
		{"two-groups-signed-dsse", known, "4 DSSE verified [ed25519 rsa] [1 2]\n5 DSSE verified [ed25519 rsa] [3]\n", "", true},
		{"one-group-signed-legacy", known, "3 PGP legacy [] []\n", "", false},
		{"one-group-signed-legacy", legacy, "3 PGP verified " + alice + " [2]\n", "", true},
		{"one-group-signed-legacy", all, "3 PGP verified " + alice + " [2]\n", "", false},
		{"one-group-signed-legacy-all", all, "3 PGP verified " + alice + " [1]\n4 PGP verified " + alice + " [2]\n", "", true},
		{"one-group-signed-legacy-group", group, "3 PGP verified " + alice + " [1 2]\n", "", true},
		{"two-groups-signed-legacy-group", all, "4 PGP verified " + alice + " [1 2]\n", "", false},
		{"one-group-signed-pgp", legacy, "", "", false},
	} {
		t.Run(c.image, func(t *testing.T) {
			r, err := verifyBytes(read("images/"+c.image+".sif"), c.o)
			must(t, err)
			for _, s := range r.Signatures {
				slices.SortFunc(s.Signers, func(a, b Signer) int { return strings.Compare(a.Name, b.Name) })
			}
			wantStates(t, r, c.states)
			if c.ok {
				must(t, r.Verdict())
			} else {
				wantFailure(t, r, c.fails, "")
			}
		})
	}
}
