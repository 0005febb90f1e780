package gate

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	library "github.com/sylabs/sif/v2/pkg/sif"

	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/pem"
	"github.com/sealift/sealift/image/trust/policy"
)

func TestOpenPGP(t *testing.T) {
	ada, bob, eve := people(t)
	both(t, func(t *testing.T, tree bool) {
		f := newImage(t, tree)
		known := []*keyring.Key{ada, bob}
		anybody := rules(t, known, verify)
		refused(t, anybody, f, "refused by site.toml: it is not signed")
		sign(t, f, eve)
		refused(t, anybody, f, "0 of the 1 known signers that have to have signed the whole image did; the key "+eve.Fingerprint())
		sign(t, f, ada)
		allowed(t, anybody, f)

		list := fmt.Sprintf("signers = [%q, %q]\n", ada.Fingerprint(), bob.Fingerprint())
		one, two := rules(t, known, verify+list), rules(t, known, verify+list+"need = 2")
		allowed(t, one, f)
		refused(t, two, f, "1 of the 2 (of "+ada.Fingerprint()+", "+bob.Fingerprint()+")")
		sign(t, f, ada)
		refused(t, two, f, "1 of the 2")
		strict := rules(t, known, verify+list+"strict = true")
		refused(t, strict, f, "a signature by "+eve.Fingerprint()+" that does not count, and the rule is strict")
		refused(t, rules(t, known, fmt.Sprintf(verify+"forbidden = [%q]", eve.Fingerprint())), f, "signed by "+eve.Fingerprint()+", which the rule forbids")
		sign(t, f, bob)
		allowed(t, two, f)

		f = newImage(t, tree)
		sign(t, f, bob, ada)
		allowed(t, strict, f)
		// Whose key it is, the rings say, and not the rule.
		refused(t, rules(t, nil, verify+list), f, "0 of the 1")
	})
}

func TestPlainKeys(t *testing.T) {
	const text = "[[signer]]\nname = \"release\"\nkey = \"/%s.pem\"\n" + verify + "signers = [\"release\"]\n"
	both(t, func(t *testing.T, tree bool) {
		ada, _, _ := people(t)
		f := newImage(t, tree)
		release, other := signPlain(t, f, 1), signPlain(t, newImage(t, true), 0)
		g := rules(t, []*keyring.Key{ada}, fmt.Sprintf(text, "site"))
		g.Plain[policy.Signer{Name: "release", Key: "/site.pem"}] = release
		allowed(t, g, f)
		sign(t, f, ada)
		allowed(t, g, f)
		g.Plain[policy.Signer{Name: "release", Key: "/site.pem"}] = other
		refused(t, g, f, "0 of the 1 (of release)")

		// What another file calls so is another's key.
		g = rules(t, nil, fmt.Sprintf(text, "site"), fmt.Sprintf(text, "user"))
		g.Plain[policy.Signer{Name: "release", Key: "/site.pem"}] = other
		g.Plain[policy.Signer{Name: "release", Key: "/user.pem"}] = release
		refused(t, g, f, "refused by site.toml: 0 of the 1 (of release)")
	})
	t.Run("one key, two names", func(t *testing.T) {
		f := newImage(t, true)
		key := signPlain(t, f, 4)
		g := rules(t, nil, verify+"need = 2")
		g.Plain = map[policy.Signer]*pem.PublicKey{{Name: "a", Key: "/a"}: key, {Name: "b", Key: "/b"}: key, {Name: "c", Key: "/c"}: key}
		for range 10 {
			refused(t, g, f, "1 of the 2 known signers")
		}
	})
}

// Each file has a say.
func TestLevels(t *testing.T) {
	ada, bob, _ := people(t)
	f := newImage(t, true)
	sign(t, f, ada)
	by := func(k *keyring.Key) string { return fmt.Sprintf(verify+"signers = [%q]\n", k.Fingerprint()) }
	known := []*keyring.Key{ada, bob}
	allowed(t, rules(t, known, by(ada), verify), f)
	refused(t, rules(t, known, by(ada), by(bob)), f, "refused by user.toml: 0 of the 1")
	refused(t, rules(t, known, by(bob), by(ada)), f, "refused by site.toml: 0 of the 1")
	refused(t, rules(t, known, by(bob), "[default]\naction = \"allow\""), f, "refused by site.toml")
	refused(t, rules(t, known, "[default]\naction = \"allow\"", "[default]\naction = \"deny\""), f, "refused by user.toml: no rule allows it")

	// A refusal costs no look at the image, nor at keys.
	g := rules(t, nil, "[default]\naction = \"deny\"")
	g.Keys = func() (keyring.Rings, error) { t.Error("keys are read"); return nil, nil }
	g.Whole = func(int64) Progress { t.Error("the image is read"); return untold{} }
	refused(t, g, newImage(t, false), "no rule allows it")
}

func TestPlaces(t *testing.T) {
	ada, _, _ := people(t)
	f := newImage(t, true)
	rule := func(key, value, action string) string {
		return fmt.Sprintf("[[rule]]\n%s = %q\naction = %q\n", key, value, action)
	}
	dir := filepath.Dir(f.Name())
	refused(t, rules(t, nil, rule("path", dir, "verify")), f, "site.toml:1: it is not signed")
	refused(t, rules(t, nil, rule("path", f.Name(), "deny")+rule("path", dir, "allow")), f, "site.toml:1: images of there are not to be used")
	for _, text := range []string{"", rule("path", dir[:len(dir)-1], "deny"), rule("source", strings.TrimPrefix(dir, "/"), "deny")} {
		if r, err := hold(t, rules(t, nil, text), f); r != nil || err != nil {
			t.Errorf("%s: %v, and a reader: %v", text, err, r != nil)
		}
	}

	// An image of elsewhere is held against rules for sources only.
	g := rules(t, []*keyring.Key{ada}, rule("source", "h.example/x", "verify")+rule("path", dir, "deny")+rule("source", "h.example/no", "deny"))
	g.Locate = func(*os.File) (string, error) { return "", fs.ErrNotExist }
	r, err := g.Hold(t.Context(), "oras://h.example/x/y")(f, load(t, f))
	wantRefusal(t, r, err, "site.toml:1: it is not signed")
	if r, err := g.Hold(t.Context(), "oras://h.example/y")(f, load(t, f)); r != nil || err != nil {
		t.Errorf("of another source: %v", err)
	}
	sign(t, f, ada)
	if r, err := g.Hold(t.Context(), "oras://h.example/x/y")(f, load(t, f)); r == nil || err != nil {
		t.Errorf("a signed one: %v", err)
	}
	_, err = hold(t, g, f)
	wantError(t, err, "where it is: file does not exist")

	must(t, g.Denied("oras://h.example/x"))
	wantRefusal(t, nil, g.Denied("oras://H.example.:443/no/1:2"), "images of there are not to be used")
	wantRefusal(t, nil, g.Denied("oras://h.example/no/1"), "site.toml:7: images of there are not to be used")
	wantRefusal(t, nil, g.Unsigned("", "docker://h.example/x"), "it is not signed")
	wantRefusal(t, nil, g.Unsigned(dir+"/oci", ""), "images of there")
	must(t, g.Unsigned("/elsewhere", ""))
}

// What is no SIF file can have no signature.
func TestOtherKinds(t *testing.T) {
	f := newImage(t, true)
	r, err := rules(t, nil, verify).Hold(t.Context(), "")(f, nil)
	wantRefusal(t, r, err, "it is not signed")
	r, err = rules(t, nil, "[default]\naction = \"deny\"").Hold(t.Context(), "")(f, nil)
	wantRefusal(t, r, err, "no rule allows it")
	if r, err := rules(t, nil, "").Hold(t.Context(), "")(f, nil); r != nil || err != nil {
		t.Errorf("without rules: %v", err)
	}
}

// A signature over less than the whole image does not count.
func TestInPart(t *testing.T) {
	ada, _, _ := people(t)
	g := rules(t, []*keyring.Key{ada}, verify)
	both(t, func(t *testing.T, tree bool) {
		for _, id := range []uint32{1, 2} {
			f := newImage(t, tree)
			must(t, trust.Sign(t.Context(), f, trust.SignOptions{Key: ada, Objects: []uint32{id}, Now: time.Now()}))
			refused(t, g, f, "0 of the 1 known signers")
			forbid := fmt.Sprintf(verify+"forbidden = [%q]", ada.Fingerprint())
			refused(t, rules(t, []*keyring.Key{ada}, forbid), f, "which the rule forbids")
		}
		for name, opt := range map[string]library.DescriptorInputOpt{
			"its group": library.OptGroupID(1), "another group": library.OptGroupID(2), "no group": library.OptNoGroup(),
		} {
			f := newImage(t, tree)
			sign(t, f, ada)
			allowed(t, g, f)
			must(t, sif.Add(t.Context(), f, func(c *sif.Container) error {
				in, err := library.NewDescriptorInput(library.DataGeneric, strings.NewReader("added"), opt)
				if err == nil {
					err = c.AddObject(in)
				}
				return err
			}))
			if r, err := hold(t, g, f); r != nil || err == nil {
				t.Errorf("an object in %s is not signed", name)
			}
			refused(t, g, f, "0 of the 1 known signers")
			if name == "another group" { // it is signed too, and by itself
				must(t, trust.Sign(t.Context(), f, trust.SignOptions{Key: ada, Groups: []uint32{2}, Now: time.Now()}))
				refused(t, g, f, "0 of the 1 known signers")
			}
		}
	})
}

// The keys are those that there are when an image is opened, and have to be there.
func TestNoKeys(t *testing.T) {
	ada, _, _ := people(t)
	f := newImage(t, false)
	sign(t, f, ada)
	g := rules(t, nil, verify)
	g.Keys = func() (keyring.Rings, error) { return nil, fs.ErrPermission }
	var read progress
	g.Whole = read.start
	if r, err := hold(t, g, f); r != nil || err != fs.ErrPermission {
		t.Errorf("%v", err)
	}
	if size := int64(len(body)); read != (progress{size, size, 1}) {
		t.Errorf("it is told that %+v is read", read)
	}
	g = rules(t, []*keyring.Key{ada}, verify)
	g.Now = time.Now().Add(-time.Hour) // before the key was made
	refused(t, g, f, "0 of the 1 known signers")
}
