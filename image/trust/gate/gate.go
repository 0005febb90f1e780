// Package gate lets images be used as far as the rules allow.
//
// Input: a policy (image/trust/policy), keys of signers, the place of an image,
// and the image as an open file. Output: a refusal that says which rule and why;
// or what the image's file system has to be read through, so that what was
// verified is what is used, whoever writes to the file later: each block is held
// against a hash tree when it is read. With the tree that a signature covers, the
// start costs the same for every size. Unless a rule says that the signers made sure of
// that tree, the image is read whole first, and held against the tree of what was
// read: once, if that is remembered by the digest that the signatures name.
//
// The package looks for no key and no rule by itself, asks nobody, and knows not
// where anything is remembered.
package gate

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust"
	"github.com/sealift/sealift/image/trust/keyring"
	"github.com/sealift/sealift/image/trust/merkle"
	"github.com/sealift/sealift/image/trust/pem"
	"github.com/sealift/sealift/image/trust/policy"
)

// Gate knows the rules and the keys.
type Gate struct {
	Policy *policy.Policy
	// Keys returns the OpenPGP keys of signers; it is called only if some are
	// wanted.
	Keys func() (keyring.Rings, error)
	// Plain are the keys of signers that a policy names by files.
	Plain map[policy.Signer]*pem.PublicKey
	// Locate returns where an open file is, without symbolic links.
	Locate func(*os.File) (string, error)
	// Memory, if not nil, keeps what was found by reading images whole.
	Memory Memory
	// Whole, if not nil, is told that so many bytes are read before an image is
	// used, and returns who is to be told how far that is.
	Whole func(size int64) Progress
	Now   time.Time
}

// Memory knows what read found out about data, or finds it out so: package
// image/trust/remember. Read may find other data than those wanted; then that is returned.
type Memory interface {
	Summary(ctx context.Context, w merkle.Wanted, read func() (merkle.Summary, error)) (merkle.Summary, error)
}

// Progress is told that n bytes more were read, and in the end that no more are.
type Progress interface {
	Add(n int64)
	Stop()
}

// Unsigned returns an error unless an image that can have no signature may be
// used: an OCI image.
func (g *Gate) Unsigned(path, name string) error {
	return unsigned(g.Policy.Rules(policy.Subject{Path: path, Source: policy.Source(name)}))
}

func unsigned(rules []*policy.Rule) error {
	for _, r := range rules {
		if err := r.Judge(nil); err != nil {
			return err
		}
	}
	return nil
}

// Denied returns an error if an image of a name is not to be used, whoever has
// signed it.
func (g *Gate) Denied(name string) error {
	return denied(g.Policy.Rules(policy.Subject{Source: policy.Source(name)}))
}

func denied(rules []*policy.Rule) error {
	for _, r := range rules {
		if r.Action != policy.Deny {
			continue
		}
		if err := r.Judge(nil); err != nil {
			return err
		}
	}
	return nil
}

// Hold returns what decides about an image that is open, as image.Options has it:
// one of a name elsewhere, or of wherever its file is if that is empty.
func (g *Gate) Hold(ctx context.Context, name string) image.Hold {
	return func(f *os.File, img *sif.Image) (*merkle.Reader, error) {
		r, _, err := g.Decide(ctx, name, time.Time{}, f, img)
		return r, err
	}
}

// Decide is Hold. It also says whether the rules allow the same image until later, unless that
// is zero: they do all the while if they do so now and then, since what makes a signature good
// is good from one time to another. An image that they want to know does not last unless it has a
// hash tree, by which it can be known again.
func (g *Gate) Decide(ctx context.Context, name string, later time.Time, f *os.File, img *sif.Image) (r *merkle.Reader, lasts bool, err error) {
	s := policy.Subject{Source: policy.Source(name)}
	if name == "" {
		if s.Path, err = g.Locate(f); err != nil {
			return nil, false, fmt.Errorf("where it is: %w", err)
		}
	}
	rules := g.Policy.Rules(s)
	switch {
	case len(rules) == 0:
		return nil, !later.IsZero(), nil
	case img == nil:
		return nil, false, unsigned(rules)
	}
	if err := denied(rules); err != nil {
		return nil, false, err
	}
	held, err := g.open(ctx, img, rules)
	if err != nil {
		return nil, false, err
	}
	keys, err := g.Keys()
	if err == nil {
		err = g.judge(ctx, held, rules, keys, g.Now)
	}
	if err != nil {
		return nil, false, err
	}
	own, err := merkle.FromImage(img)
	lasts = err == nil && !later.IsZero() && held.tree != nil && held.tree.Root == own.Root && g.judge(ctx, held, rules, keys, later) == nil
	return held.reader, lasts, nil
}

// judge verifies the signatures of a SIF file at a time, and judges it by the rules.
func (g *Gate) judge(ctx context.Context, held *held, rules []*policy.Rule, keys keyring.Rings, now time.Time) (err error) {
	o := trust.Options{Keys: keys, Now: now}
	for _, k := range g.Plain {
		o.Plain = append(o.Plain, k)
	}
	found := map[bool][]policy.Signature{} // with those of before SIF 1.0, or without
	for _, r := range rules {
		list, ok := found[r.Legacy]
		if !ok {
			if list, err = g.signatures(ctx, held, o, r.Legacy); err != nil {
				return err
			}
			found[r.Legacy] = list
		}
		if err := r.Judge(list); err != nil {
			return err
		}
	}
	return nil
}
