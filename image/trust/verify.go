package trust

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/sylabs/sif/v2/pkg/integrity"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/pem"
)

// Limits on what an image may make this package do: bytes of a signature, which
// names each object of a group in some 200; signatures, over each of which all of the
// data is hashed; and objects, all of which are looked at for each signature.
const (
	maxSignature  = 16 << 20
	maxSignatures = 256
	maxObjects    = 4096
)

// Options say what Verify is about.
type Options struct {
	// Keys are those of signers that are known. Their order is that of the rings.
	Keys keyring.Rings
	// Plain are public keys of signers, the certificates of which are in order.
	Plain []*pem.PublicKey
	// Groups and Objects are what is verified; without any, all of the image.
	Groups, Objects []uint32
	// Legacy looks at signatures that cover no descriptor instead of the others:
	// over the primary system partition, unless All, or something in particular, is
	// asked for.
	Legacy, All bool
	// Vouched, if not nil, names objects whose bytes are not to be read, as something
	// else that is signed vouches for them: a hash tree. What a signature says of them
	// is in its Text, against which whoever asks must hold them.
	Vouched func(id uint32) bool
	// Now is when keys must be valid.
	Now time.Time
}

// Verify looks at every signature of an image over what is asked for. It reads
// the objects by the reader that img was opened with. An error is one of asking:
// what signatures are worth is in the Report.
func Verify(ctx context.Context, img *sif.Image, o Options) (*Report, error) {
	if n := len(img.Objects()); n > maxObjects {
		return nil, hint.New(fmt.Sprintf("the image has %d objects; the limit for verifying is %d", n, maxObjects),
			"remove objects that nobody needs, and sign it again: sealift sif del")
	}
	v := &verifier{ctx: ctx, img: img, o: o, r: &Report{}}
	if err := v.choose(); err != nil {
		return nil, err
	}
	v.index()
	var signatures []sif.Object
	for _, s := range img.Objects() {
		if s.Type == sif.Signature && v.concerns(s) {
			signatures = append(signatures, s)
		}
	}
	if len(signatures) > maxSignatures {
		return nil, fmt.Errorf("the image has %d signatures; the limit is %d", len(signatures), maxSignatures)
	}
	for _, s := range signatures {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if sig, ok := v.signature(s); ok {
			v.r.Signatures = append(v.r.Signatures, sig)
		}
	}
	// What was read after the end of ctx, or not at all, is worth nothing.
	if err := cmp.Or(ctx.Err(), v.unread); err != nil {
		return nil, err
	}
	return v.r, nil
}

type verifier struct {
	ctx context.Context
	img *sif.Image
	o   Options
	r   *Report
	// objects are those of each group, by ids, which rise; wanted and vouched those of the
	// Report's Objects and Vouched.
	objects         map[uint32][]uint32
	wanted, vouched map[uint32]bool
	// unread is why the file cannot be read.
	unread error
}

// noteUnread keeps an error if it is one of reading the file.
func (v *verifier) noteUnread(err error) {
	var unread *fs.PathError
	if errors.As(err, &unread) {
		v.unread = unread
	}
}

// choose finds the objects that are asked for.
func (v *verifier) choose() error {
	groups, single := v.o.Groups, slices.Clone(v.o.Objects)
	all := len(groups)+len(single) == 0 && (!v.o.Legacy || v.o.All)
	if len(groups)+len(single) == 0 && !all {
		primary, err := v.img.Primary()
		if err != nil {
			return err
		}
		single = []uint32{primary.ID}
	}
	missing := map[string]bool{}
	for _, g := range groups {
		missing[fmt.Sprintf("group %d", g)] = true
	}
	for _, id := range single {
		missing[fmt.Sprintf("object %d", id)] = true
	}
	for _, o := range v.img.Objects() {
		if o.Type == sif.Signature {
			continue
		}
		delete(missing, fmt.Sprintf("object %d", o.ID))
		if o.Group != 0 {
			delete(missing, fmt.Sprintf("group %d", o.Group))
		}
		switch {
		case v.o.Vouched != nil && v.o.Vouched(o.ID):
			v.r.Vouched = append(v.r.Vouched, o)
		case all && v.o.Legacy && o.Group == 0:
			v.r.Others = append(v.r.Others, o)
		case all || slices.Contains(single, o.ID) || o.Group != 0 && slices.Contains(groups, o.Group):
			v.r.Objects = append(v.r.Objects, o)
		default:
			v.r.Others = append(v.r.Others, o)
		}
	}
	for what := range missing {
		return fmt.Errorf("the image has no %s to verify", what)
	}
	v.r.single = single
	return nil
}

// signature verifies one, unless it is not about what is asked for.
func (v *verifier) signature(object sif.Object) (Signature, bool) {
	s := Signature{Object: object, Claimed: object.Fingerprint(), State: Refused}
	text, err := v.img.Read(object, maxSignature)
	if err != nil {
		v.noteUnread(err)
		s.Err = err
		return s, true
	}
	m, err := parse(text)
	s.Format, s.Legacy, s.Text = m.format, m.legacy, m.text
	switch {
	case err != nil:
		s.Err = err
		return s, true
	case m.legacy && !v.o.Legacy:
		s.State, s.Err = Legacy, errors.New("an old, insecure form")
		return s, true
	case v.o.Legacy && !m.legacy:
		return s, false
	case !m.legacy && !object.LinksGroup:
		s.Err = errors.New("it is said to be about an object, not a group")
		return s, true
	}
	t := v.tasks(&s, m)
	switch {
	case len(t.opts) > 0:
		v.run(&s, m, t)
	case t.vouched:
		v.runUnread(&s, m)
	default:
		return s, false
	}
	return s, true
}

// runUnread finds whose a signature is that is about nothing but what something else
// vouches for, so that it is not hidden. The library is asked about the whole group: it
// looks at the key first, and then at which objects are named, before it reads any.
func (v *verifier) runUnread(s *Signature, m message) {
	s.Whole = false
	if m.legacy {
		s.Err = errors.New("it is about nothing but what a hash tree vouches for")
		return
	}
	v.run(s, m, task{opts: []integrity.VerifierOpt{integrity.OptVerifyGroup(s.Object.Link)}, want: v.linked(s.Object)})
	if s.State != Tampered || len(s.Signers) == 0 || s.Format == PGP && s.Claimed != s.Signers[0].Fingerprint {
		return
	}
	s.State, s.Err = Good, nil
	if s.Format == PGP {
		s.State, s.Err = v.timely(s.Signers[0], m)
	}
}

// run has the library verify, and fills in s.
func (v *verifier) run(s *Signature, m message, t task) {
	opts := append(t.opts, integrity.OptVerifyWithContext(v.ctx))
	switch {
	case m.format == PGP && len(v.o.Keys) > 0:
		opts = append(opts, integrity.OptVerifyWithKeyRing(v.o.Keys))
	case m.format == DSSE && len(v.o.Plain) > 0:
		known := map[string]bool{} // the library prints where a key is there twice
		for _, k := range v.o.Plain {
			if id := k.Fingerprint(); !known[id] {
				known[id] = true
				opts = append(opts, integrity.OptVerifyWithVerifier(k.Verifier()))
			}
		}
	default:
		s.State, s.ignored = Unknown, true
		s.Err = v.noKey(*s)
		return
	}
	// One signature at a time, lest one that the library stops at hide the others.
	c, err := v.img.Container(v.ctx, func(o sif.Object) bool {
		return o.ID == s.Object.ID || o.Type != sif.Signature && o.Group != 0
	})
	if err != nil {
		s.Err = err
		return
	}
	var results []integrity.VerifyResult
	opts = append(opts, integrity.OptVerifyCallback(func(r integrity.VerifyResult) bool {
		results = append(results, r)
		return true
	}))
	library, err := integrity.NewVerifier(c, opts...)
	if err == nil {
		err = library.Verify()
	}
	if err != nil {
		v.noteUnread(err)
		s.Err = err
		return
	}
	v.judge(s, m, results, t.want)
}
