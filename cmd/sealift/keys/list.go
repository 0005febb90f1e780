package keys

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/trust/hkp"
	"github.com/sealift/sealift/image/trust/keyring"
)

func (m *commands) list() *cobra.Command {
	var secret, asJSON bool
	c := &cobra.Command{
		Use: "list [flags]", Short: "List the keys of a keyring", Args: ui.AtMost(0),
		RunE: m.run(func(context.Context, []string) error {
			f, err := m.ring(secret)
			if err != nil {
				return err
			}
			r, err := Read(m.p, f)
			if err != nil {
				return err
			}
			if asJSON {
				return m.p.PrintJSON(described(f, r.Keys()))
			}
			kind := "Public"
			if secret {
				kind = "Private"
			}
			return m.p.Print(fmt.Sprintf("%s key listing (%s):\n\n", kind, ui.Clean(f.Path)) + listed(r.Keys()))
		}),
	}
	m.add(c)
	c.Flags().BoolVarP(&secret, "secret", "s", false, "list the keys that you sign with")
	ui.Bind(c.Flags(), "secret", "SECRET")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON: keyring, and keys with fingerprint, users, state and more")
	return c
}

// listed has a paragraph for each key, as Apptainer's has, with a line more for
// one that does not count.
func listed(keys []*keyring.Key) string {
	var b strings.Builder
	for i, k := range keys {
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "%d)", i)
		for _, u := range k.Users() {
			fmt.Fprintf(w, "\tUser:\t%s (%s) <%s>\n", clean(u.Name), clean(u.Comment), clean(u.Email))
		}
		fmt.Fprintf(w, "\tCreation time:\t%s\n", k.Created())
		fmt.Fprintf(w, "\tFingerprint:\t%s\n", k.Fingerprint())
		fmt.Fprintf(w, "\tLength (in bits):\t%d\n", k.Bits())
		if s := k.State(time.Now()); s != keyring.Valid {
			fmt.Fprintf(w, "\tState:\t%s\n", s)
		}
		_ = w.Flush() // to memory
		b.WriteByte('\n')
	}
	return b.String()
}

// clean makes text of a key safe for a cell of a table.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return '\uFFFD'
		}
		return r
	}, ui.Clean(text))
}

// keyJSON is a key as list --json has it.
type keyJSON struct {
	Fingerprint string         `json:"fingerprint"`
	Users       []keyring.User `json:"users"`
	Algorithm   string         `json:"algorithm"`
	Bits        int            `json:"bits"`
	Created     time.Time      `json:"created"`
	Expires     time.Time      `json:"expires,omitzero"`
	State       keyring.State  `json:"state"`
	Secret      bool           `json:"secret"`
	// Locked is with a passphrase.
	Locked bool `json:"locked,omitempty"`
}

type ringJSON struct {
	Keyring string    `json:"keyring"`
	Keys    []keyJSON `json:"keys"`
}

func described(f keyring.File, keys []*keyring.Key) ringJSON {
	r := ringJSON{f.Path, []keyJSON{}}
	for _, k := range keys {
		r.Keys = append(r.Keys, keyJSON{
			k.Fingerprint(), append([]keyring.User{}, k.Users()...), k.Algorithm(), k.Bits(), k.Created().UTC(), k.Expires().UTC(),
			k.State(time.Now()), k.Secret(), k.Locked(),
		})
	}
	return r
}

// found is a list of a key server, as Apptainer prints it.
func found(list []hkp.Entry, long bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Showing %d results\n\n", len(list))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	head := "KEY ID\tBITS\t"
	if long {
		head = "FINGERPRINT\tALGORITHM\tBITS\tCREATION DATE\tEXPIRATION DATE\tSTATUS\t"
	}
	fmt.Fprintf(w, "%sNAME/EMAIL\n", head)
	for i, e := range list {
		if i > 0 {
			fmt.Fprintln(w)
		}
		cells := fmt.Sprintf("%s\t%s\t", e.ID[len(e.ID)-8:], number(e.Bits))
		if long {
			cells = fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t[%s]\t", e.ID, algorithm(e.Algorithm), number(e.Bits), date(e.Created), date(e.Expires), e.Status)
		}
		for j, u := range append([]string{}, e.Users...) {
			if j > 0 {
				cells = strings.Repeat("\t", strings.Count(cells, "\t"))
			}
			fmt.Fprintf(w, "%s%s\n", cells, clean(u))
		}
		if len(e.Users) == 0 {
			fmt.Fprintln(w, cells)
		}
	}
	_ = w.Flush() // to memory
	return b.String()
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.String()
}

// algorithms are those of RFC 9580, 9.1, as key servers number them.
var algorithms = map[int]string{
	1: "RSA", 2: "RSA", 3: "RSA", 16: "Elgamal", 17: "DSA", 18: "ECDH", 19: "ECDSA", 22: "EdDSA", 25: "X25519", 26: "X448", 27: "Ed25519", 28: "Ed448",
}

func algorithm(n int) string {
	if name := algorithms[n]; name != "" {
		return name
	}
	return "unknown"
}
