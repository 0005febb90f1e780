// Package verdicts remembers which images the rules allowed, so that the next start of one
// reads neither rules nor keys nor signatures: that takes longer than a container to start.
//
// Input: an open image; where the rules and the keys of signers are; later what was decided.
// Output: what allows the image, if all that the decision followed from is as it was: every byte
// of the files with rules and keys, and who may write to them and their directories; where the
// image is; every byte of it that a signature covers, but for those that its hash tree vouches
// for and that are held against it when they are read; and the day, as keys expire.
//
// A refusal is not remembered, nor what somebody was warned of. Verdicts are in the user's
// cache, which takes no file that another user may write to, except root's: who can change
// them is the user, whose start it is. The package knows no rule, and verifies no signature.
package verdicts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/sealift/sealift/cmd/sealift/caches"
	"github.com/sealift/sealift/cmd/sealift/rulefiles"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

// Kind is the kind of the cache entries, which are Verdicts in JSON.
const Kind = "verdict"

// Lifetime is how long a verdict counts.
const Lifetime = 24 * time.Hour

const (
	// maxVerdict bounds an entry in bytes.
	maxVerdict = 1 << 20
	// patience is how long a start waits for others that keep the same verdict.
	patience = 2 * time.Second
)

// Verdict is that an image may be used. What it follows from beside its Case is in it.
type Verdict struct {
	// From and Until are between which times, inclusive, the rules allow it.
	From, Until time.Time
	// Root is the merkle.Root of the image's own hash tree, by which it is held; nil where the
	// rules do not want to know what it is.
	Root []byte `json:",omitempty"`
	// Files are those of keys that the rules name, and Links where the paths in rules lead.
	Files []File            `json:",omitempty"`
	Links map[string]string `json:",omitempty"`
}

// holds says whether all that the verdict follows from is so still.
func (v *Verdict) holds(now time.Time) bool {
	if now.Before(v.From) || now.After(v.Until) {
		return false
	}
	for path, real := range v.Links {
		if rulefiles.Resolve(path) != real {
			return false
		}
	}
	for _, f := range v.Files {
		if again, err := Look(f.Path); err != nil || again != f {
			return false
		}
	}
	return true
}

// Hold returns what allows the images that a verdict allows; nil where there are no rules. Of
// other images its error is unknown, as it is of all where the user wants nothing of the cache.
func Hold(p *ui.Process, unknown error) image.Hold {
	if !rulefiles.Of(p).Any() {
		return nil
	}
	_, anew := p.Setting("DISABLE_CACHE")
	return func(f *os.File, img *sif.Image) (*merkle.Reader, error) {
		// Whatever goes wrong is found out again, and told, by those who ask the rules.
		c, err := newCase(p, f, img)
		if err != nil || anew != "" {
			return nil, unknown
		}
		store, err := caches.Find(p, func() {})
		if err != nil {
			return nil, unknown
		}
		defer store.Close() // which was only read
		v, err := recall(store, c.id())
		if err != nil || !v.holds(time.Now()) {
			return nil, unknown
		}
		if v.Root == nil {
			return nil, nil
		}
		tree, err := merkle.FromImage(img)
		if err != nil || string(tree.RootBytes()) != string(v.Root) {
			return nil, unknown
		}
		return tree.Reader(), nil
	}
}

func newCase(p *ui.Process, f *os.File, img *sif.Image) (Case, error) {
	g, err := Examine(p)
	if err != nil {
		return Case{}, err
	}
	return g.Of(f, img)
}

// Keep keeps a verdict about a case, unless its files or links are not any more as it has
// them. That one is there already, or that others take long to keep it, is no error.
func Keep(ctx context.Context, p *ui.Process, c Case, v Verdict) (err error) {
	store, err := caches.Find(p, func() {})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	switch old, err := recall(store, c.id()); {
	case !v.holds(v.From):
		return nil // what it follows from has changed meanwhile
	case err == nil && old.holds(v.From):
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		if err := store.Remove(c.id()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	short, stop := context.WithTimeout(ctx, patience)
	defer stop()
	e, err := store.Make(short, c.id(), cache.Content{
		Description: "what the rules say of " + c.Place, Size: int64(len(text)), Hashed: true,
		Write: func(f *os.File) error { _, err := f.Write(text); return err },
	})
	switch {
	case err == nil:
		return e.Close()
	case ctx.Err() == nil && short.Err() != nil:
		return nil
	}
	return err
}

// recall returns what the cache has.
func recall(c *cache.Cache, id cache.ID) (*Verdict, error) {
	e, err := c.Get(id)
	if err != nil {
		return nil, err
	}
	defer e.Close() // which was only read
	text, err := io.ReadAll(io.LimitReader(e, maxVerdict+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxVerdict {
		return nil, fmt.Errorf("%s: more than %d bytes", id, maxVerdict)
	}
	v := new(Verdict)
	return v, json.Unmarshal(text, v)
}
