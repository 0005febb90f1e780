package trusts

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/endpoints"
	"github.com/sealift/sealift/cmd/sealift/keys"
	"github.com/sealift/sealift/cmd/sealift/policies"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/oci/conn"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust"
	"github.com/sealift/sealift/image/trust/pem"
)

// answerTime is how long may take who knows of revocations, and key servers
// together.
const answerTime = 30 * time.Second

// verifying is the request of verify.
type verifying struct {
	p                *ui.Process
	part             selection
	rings            keys.Rings
	servers          endpoints.Keyservers
	local            bool
	all, legacy      bool
	key, certificate string
	between, roots   string
	ocsp, asJSON     bool
}

func verifyCommand(p *ui.Process) *cobra.Command {
	v := verifying{p: p}
	c := &cobra.Command{
		Use: "verify [flags] IMAGE...", Short: "Verify signatures of images", Args: ui.AtLeast(1),
		Long: `Verify the signatures of SIF images. An image is verified if a key that is known
has signed all of its objects, and no signature shows that it was changed. What
is known of each signature is printed.

OpenPGP keys are known from your keyring and the site's (sealift key), and from
key servers unless --local: those are marked [REMOTE], and prove only that
somebody has signed. Other signatures need --key or --certificate.

Exit status: 0 verified, 3 something is not signed, 4 no key of a signer is
known, 5 the image was changed or a signature is not to be taken, 6 the key was
revoked or is weak, or it or the signature has expired, 7 the rules for images
('sealift help trust') do not allow it, 125 another failure.`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			return ui.Interruptible(c.Context(), func(ctx context.Context) error { return coded(v.run(ctx, args)) })
		},
	}
	v.add(c)
	return c
}

func (v *verifying) add(c *cobra.Command) {
	flags := c.Flags()
	v.part.add(flags, "verify")
	flags.BoolVarP(&v.all, "all", "a", false, "with --legacy-insecure, verify all objects")
	flags.BoolVar(&v.legacy, "legacy-insecure", false, "verify old signatures, which do not cover metadata, of the container's file system")
	flags.BoolVarP(&v.local, "local", "l", false, "ask no key server")
	ui.Bind(flags, "local", "LOCAL_VERIFY")
	flags.StringVar(&v.key, "key", "", "verify with the public key in the PEM file `FILE`")
	ui.Bind(flags, "key", "VERIFY_KEY")
	flags.StringVar(&v.certificate, "certificate", "", "verify with the certificate in the PEM file `FILE`")
	ui.Bind(flags, "certificate", "VERIFY_CERTIFICATE")
	flags.StringVar(&v.between, "certificate-intermediates", "", "the certificates in `FILE` lead from the certificate to a root")
	ui.Bind(flags, "certificate-intermediates", "VERIFY_INTERMEDIATES")
	flags.StringVar(&v.roots, "certificate-roots", "", "trust the roots in `FILE` instead of the system's")
	ui.Bind(flags, "certificate-roots", "VERIFY_ROOTS")
	flags.BoolVar(&v.ocsp, "ocsp-verify", false, "ask whether certificates were revoked")
	ui.Bind(flags, "ocsp-verify", "VERIFY_OCSP")
	flags.BoolVarP(&v.asJSON, "json", "j", false, "print JSON: Signatures, SignerKeys, and Verdict and States")
	v.rings.Add(flags)
	v.servers.Add(flags)
	c.MarkFlagsMutuallyExclusive("key", "certificate")
}

func (v *verifying) run(ctx context.Context, paths []string) error {
	o := trust.Options{Legacy: v.legacy, All: v.all, Now: time.Now()}
	var err error
	if o.Groups, o.Objects, err = v.part.chosen(); err != nil {
		return err
	}
	if v.legacy {
		v.p.Warn("old signatures are verified: they do not cover metadata, such as the kind of a file system, which anybody may change")
	}
	if err := v.known(ctx, &o); err != nil {
		return err
	}
	var first error
	for _, path := range paths {
		err := v.verify(ctx, path, o)
		if err == nil {
			v.p.Info("verified signature(s) from image '%s'", path)
			continue
		}
		err = fmt.Errorf("verify %s: %w", path, err)
		if first != nil {
			v.p.Warn("%v", err)
			continue
		}
		first = err
	}
	return first
}

// known finds the keys that are known.
func (v *verifying) known(ctx context.Context, o *trust.Options) error {
	switch {
	case v.certificate != "":
		v.p.Info("verifying with the certificate in %s", v.certificate)
		k, err := v.certified(ctx, o.Now)
		o.Plain = []*pem.PublicKey{k}
		return err
	case v.between != "" || v.roots != "" || v.ocsp:
		return hint.New("there is no certificate to verify with", "name its file by --certificate")
	case v.key != "":
		v.p.Info("verifying with the key in %s", v.key)
		k, err := readPEM(v.key, func(text []byte) (*pem.PublicKey, error) { return pem.ParsePublic(v.key, text) })
		o.Plain = []*pem.PublicKey{k}
		return err
	}
	v.p.Info("verifying with OpenPGP keys")
	var err error
	o.Keys, err = v.keyrings()
	return err
}

// certified returns the key of the certificate, if that is one to trust.
func (v *verifying) certified(ctx context.Context, now time.Time) (*pem.PublicKey, error) {
	list, err := readPEM(v.certificate, pem.ParseCertificates)
	if err != nil {
		return nil, err
	}
	chain := pem.Chain{Leaf: list[0], Intermediates: list[1:]}
	if v.between != "" {
		more, err := readPEM(v.between, pem.ParseCertificates)
		if err != nil {
			return nil, err
		}
		chain.Intermediates = append(chain.Intermediates, more...)
	}
	if v.roots != "" {
		if chain.Roots, err = readPEM(v.roots, pem.ParseCertificates); err != nil {
			return nil, err
		}
	}
	chains, err := chain.Verify(now)
	if err == nil && v.ocsp {
		err = checkRevoked(ctx, chains, now)
	}
	if err != nil {
		return nil, err
	}
	return chain.Public()
}

// checkRevoked wants a chain of which no certificate was revoked.
func checkRevoked(ctx context.Context, chains [][]*x509.Certificate, now time.Time) (err error) {
	client := &http.Client{
		Transport: conn.NewTransport(http.ProxyFromEnvironment, nil), Timeout: answerTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, chain := range chains {
		if err = pem.CheckRevoked(ctx, client, chain, now); err == nil {
			return nil
		}
	}
	return err
}

func (v *verifying) verify(ctx context.Context, path string, o trust.Options) (err error) {
	f, img, err := openImage(path, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if len(o.Keys) > 0 && !v.local {
		o.Keys = append(slices.Clip(o.Keys), v.fetch(ctx, img, o.Keys))
	}
	r, err := trust.Verify(ctx, img, o)
	if err != nil {
		return err
	}
	verdict := r.Verdict()
	if v.asJSON {
		err = v.p.Print(asJSON(r, verdict))
	} else {
		err = v.p.Print(asText(r))
	}
	if err != nil {
		return err
	}
	v.notes(r, verdict)
	if verdict == nil && len(o.Groups)+len(o.Objects) == 0 {
		return v.allowed(ctx, f, img)
	}
	return verdict
}

// allowed says whether the rules that there are let the image be used.
func (v *verifying) allowed(ctx context.Context, f *os.File, img *sif.Image) error {
	g, err := policies.Open(v.p, true)
	if g == nil || err != nil {
		return err
	}
	_, err = g.Hold(ctx, "")(f, img)
	return err
}

// notes tells what one has to know of an image that is verified.
func (v *verifying) notes(r *trust.Report, verdict error) {
	if verdict != nil {
		return
	}
	if len(r.Others) > 0 {
		var names []string
		for _, o := range r.Others {
			names = append(names, o.String())
		}
		v.p.Warn("the image is verified in part only, without %s", strings.Join(names, ", "))
	}
	for _, s := range r.Signatures {
		if s.State == trust.Good && s.Format == trust.PGP && s.Signers[0].Ring == remoteRing {
			v.p.Warn("the key %s came from a key server, where anybody can put one in any name; 'sealift key pull' makes it trusted",
				s.Signers[0].Fingerprint)
		}
	}
}
