package trusts

import (
	"fmt"
	"strings"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust"
)

// The rings of keys, in the order of trust.Options.Keys.
const (
	localRing = iota
	siteRing
	remoteRing
)

// mark is the first word of the lines about a signature: where the key of a good
// one is from, as Apptainer has it, or what is wrong with the others.
func mark(s trust.Signature) string {
	switch {
	case s.State != trust.Good:
		return map[trust.State]string{
			trust.Unknown: "[UNKNOWN]", trust.Expired: "[EXPIRED]", trust.Revoked: "[REVOKED]", trust.Weak: "[WEAK]",
			trust.Tampered: "[CHANGED]", trust.Refused: "[REFUSED]", trust.Legacy: "[LEGACY]",
		}[s.State]
	case s.Format == trust.DSSE:
		return "[KEY]"
	}
	switch s.Signers[0].Ring {
	case siteRing:
		return "[GLOBAL]"
	case remoteRing:
		return "[REMOTE]"
	}
	return "[LOCAL]"
}

// asText is a report as Apptainer prints one, with a line for each signature that
// is not good.
func asText(r *trust.Report) string {
	var b strings.Builder
	for _, s := range r.Signatures {
		line := func(format string, args ...any) {
			fmt.Fprintf(&b, "%-9s %s\n", mark(s), oneLine(fmt.Sprintf(format, args...)))
		}
		for _, k := range s.Signers {
			if k.Name != "" {
				line("Signing entity: %s", k.Name)
			}
			line("Fingerprint: %s", k.Fingerprint)
		}
		if s.Err != nil {
			line("Signature %d: %v", s.Object.ID, s.Err)
		}
		if len(s.Objects) > 0 {
			fmt.Fprintf(&b, "Objects verified:\n%-4s|%-8s|%-8s|%s\n%s\n", "ID", "GROUP", "LINK", "TYPE", strings.Repeat("-", 48))
		}
		for _, o := range s.Objects {
			fmt.Fprintf(&b, "%-4d|%-8s|%-8s|%v\n", o.ID, id(o.Group, ""), id(o.Link, map[bool]string{true: " (G)"}[o.LinksGroup]), o.Type)
		}
	}
	return b.String()
}

func id(n uint32, suffix string) string {
	if n == 0 {
		return "NONE"
	}
	return fmt.Sprint(n, suffix)
}

// oneLine makes untrusted text one that cannot look like more lines.
func oneLine(text string) string {
	return strings.NewReplacer("\n", "\uFFFD", "\t", " ").Replace(ui.Clean(text))
}

// report is Apptainer's JSON, with Verdict and States besides.
type report struct {
	Signatures int
	SignerKeys []signerKey
	// Verdict is "verified", or why not.
	Verdict string
	States  []state
}

type signerKey struct{ Signer signer }

// signer is of an object and a signature over it.
type signer struct {
	Partition   string
	Name        string
	Fingerprint string
	// KeyLocal is that the user's keyring has the key, KeyCheck that it is known,
	// and DataCheck that the object is as it was signed.
	KeyLocal, KeyCheck, DataCheck bool
}

// state is of a signature.
type state struct {
	Signature, Group uint32
	Format           trust.Format
	State            trust.State
	Fingerprints     []string
	// Claimed is the fingerprint that the image names, which proves nothing.
	Claimed string `json:",omitempty"`
	Error   string `json:",omitempty"`
}

func asJSON(r *trust.Report, verdict error) string {
	out := report{Signatures: len(r.Signatures), SignerKeys: []signerKey{}, States: []state{}, Verdict: string(trust.Good)}
	if verdict != nil {
		out.Verdict = verdict.Error()
	}
	all := append(append([]sif.Object{}, r.Objects...), r.Others...)
	for _, s := range r.Signatures {
		who := signer{Name: "unknown", KeyCheck: len(s.Signers) > 0, DataCheck: true}
		st := state{Signature: s.Object.ID, Format: s.Format, State: s.State, Claimed: strings.ToLower(s.Claimed), Fingerprints: []string{}}
		for i, k := range s.Signers {
			st.Fingerprints = append(st.Fingerprints, strings.ToLower(k.Fingerprint))
			if i == 0 {
				who.Name, who.Fingerprint = k.Name, strings.ToLower(k.Fingerprint)
				who.KeyLocal = s.Format == trust.PGP && k.Ring == localRing
			}
		}
		if s.Object.LinksGroup {
			st.Group = s.Object.Link
		}
		if s.Err != nil {
			st.Error = s.Err.Error()
		}
		out.States = append(out.States, st)
		for _, o := range s.Objects {
			who.Partition = o.Type.String()
			out.SignerKeys = append(out.SignerKeys, signerKey{who})
		}
		for _, o := range all {
			if o.ID == s.Changed {
				changed := who
				changed.Partition, changed.DataCheck = o.Type.String(), false
				out.SignerKeys = append(out.SignerKeys, signerKey{changed})
			}
		}
	}
	text, _ := ui.JSON(out, "  ") // of text and numbers
	return text
}
