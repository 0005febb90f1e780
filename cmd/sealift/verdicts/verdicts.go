// Package verdicts remembers which images the rules allowed, so that the next start of one
// reads neither rules nor keys nor signatures: that takes longer than a container to start.
//
// Input: an open image; where the rules and the keys of signers are; later what was decided.
// Output: what allows the image, if all that the decision followed from is as it was: every byte
// of the files with rules and keys, and who may write to them and their directories; where the
// image is; every byte of it that a signature covers, but for those that its hash tree vouches
// for and that are held against it when they are read; and the day, as keys expire. For images
// that no rule is about it is remembered which paths the rules are about.
//
// A refusal is not remembered, nor what somebody was warned of. Verdicts are in the user's own
// cache, which takes no file that another user may write to, except root's: who can change
// them is the user, whose start it is. The package knows no rule, and verifies no signature.
package verdicts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift/cmd/sealift/caches"
	"github.com/sealift/sealift/cmd/sealift/rulefiles"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/cache"
	"github.com/sealift/sealift/image/sif"
	"github.com/sealift/sealift/image/trust/merkle"
)

// Kind is the kind of the cache entries, of which each place of an image has one: a kept, in JSON.
const Kind = "verdict"

// Lifetime is how long a verdict counts.
const Lifetime = 24 * time.Hour

// maxVerdict bounds an entry in bytes.
const maxVerdict = 1 << 20

// Verdict is that an image may be used. What it follows from beside its Case is in it.
type Verdict struct {
	// From and Until are between which times, inclusive, the rules allow it.
	From, Until time.Time
	// Root is the merkle.Root of the image's own hash tree, by which it is held; nil where the
	// rules do not want to know what it is.
	Root []byte `json:",omitempty"`
	// Paths are what the rules are about if that is all that they are: the verdict of a Case
	// without a place is about the images that are elsewhere.
	Paths []string `json:",omitempty"`
	// Files are those of keys that the rules name, and Links where the paths in rules lead.
	Files []File            `json:",omitempty"`
	Links map[string]string `json:",omitempty"`
}

// kept is a Verdict as it is kept; Of is the digest of its Case.
type kept struct {
	Of string
	Verdict
}

// Elsewhere says whether a place is none of the Paths, nor below one.
func (v *Verdict) Elsewhere(place string) bool {
	return !slices.ContainsFunc(v.Paths, func(path string) bool {
		return place == path || strings.HasPrefix(place, strings.TrimSuffix(path, "/")+"/")
	})
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

// Likely says whether it is likely that Hold knows the image at a path, as far as that can be
// told without opening anything: a verdict is there, or there are no rules.
func Likely(p *ui.Process, path string) bool {
	if !rulefiles.Of(p).Any() {
		return true
	}
	dir, err := caches.Dir(p)
	if err != nil || disabled(p) {
		return false
	}
	place := path
	if !filepath.IsAbs(place) {
		place = filepath.Join(p.Cwd, place)
	}
	user := Grounds{User: os.Getuid()}
	for _, c := range []Case{{Grounds: user, Place: rulefiles.Resolve(place)}, user.Elsewhere()} {
		if _, err := os.Lstat(filepath.Join(dir, Kind, c.id().Key)); err == nil {
			return true
		}
	}
	return false
}

// disabled says whether the user wants nothing of the cache; a setting that is none is for those
// to tell who know more flags.
func disabled(p *ui.Process) bool {
	_, setting := p.Setting("DISABLE_CACHE")
	is, err := strconv.ParseBool(setting)
	return setting != "" && (is || err != nil)
}

// Hold returns what allows the images that a verdict allows; nil where there are no rules. Of
// other images its error is unknown, as it is of all where the user wants nothing of the cache.
func Hold(p *ui.Process, unknown error) image.Hold {
	if !rulefiles.Of(p).Any() {
		return nil
	}
	return func(f *os.File, img *sif.Image) (*merkle.Reader, error) {
		if disabled(p) {
			return nil, unknown
		}
		// Whatever goes wrong is found out again, and told, by those who ask the rules.
		r, err := hold(p, f, img)
		if err != nil {
			return nil, unknown
		}
		return r, nil
	}
}

var errUnknown = errors.New("there is no verdict that holds")

func hold(p *ui.Process, f *os.File, img *sif.Image) (r *merkle.Reader, err error) {
	g, err := Examine(p)
	if err != nil {
		return nil, err
	}
	store, err := open(p, func() {})
	if err != nil {
		return nil, err
	}
	defer store.Close() // which was only read
	place, err := rulefiles.Locate(f)
	if err != nil {
		return nil, err
	}
	if v, err := recall(store, g.Elsewhere()); err == nil && v.holds(time.Now()) && v.Elsewhere(place) {
		return nil, nil
	}
	c, err := g.Of(place, img)
	if err != nil {
		return nil, err
	}
	v, err := recall(store, c)
	if err == nil && !v.holds(time.Now()) {
		err = errUnknown
	}
	if err != nil || v.Root == nil {
		return nil, err
	}
	tree, err := merkle.FromImage(img)
	if err == nil && string(tree.RootBytes()) != string(v.Root) {
		err = errUnknown
	}
	if err != nil {
		return nil, err
	}
	return tree.Reader(), nil
}

// open opens the user's own cache. An entry of it is so small that no other has to go for it.
func open(p *ui.Process, waiting func()) (*cache.Cache, error) {
	dir, err := caches.Dir(p)
	if err != nil {
		return nil, err
	}
	return cache.Open(dir, cache.Options{Waiting: func(cache.ID) { waiting() }})
}

// Keep keeps a verdict about a case in the place of what was kept of the same place before; but not
// if its files or links are not any more as it has them. That one is there already, or that another
// process is about to keep one, is no error.
func Keep(ctx context.Context, p *ui.Process, c Case, v Verdict) (err error) {
	ctx, busy := context.WithCancelCause(ctx)
	defer busy(nil)
	store, err := open(p, func() { busy(errBusy) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	switch old, err := recall(store, c); {
	case !v.holds(v.From):
		return nil // what it follows from has changed meanwhile
	case err == nil && old.holds(v.From):
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		if err := store.Remove(c.id()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	text, err := json.Marshal(kept{c.digest(), v})
	if err != nil {
		return err
	}
	e, err := store.Make(ctx, c.id(), cache.Content{
		Description: c.describe(), Hashed: true, Write: func(f *os.File) error { _, err := f.Write(text); return err },
	})
	switch {
	case err == nil:
		return e.Close()
	case context.Cause(ctx) == errBusy:
		return nil
	}
	return err
}

var errBusy = errors.New("another process keeps it")

// recall returns what the cache has of a case; a verdict of another one of the same place is
// errUnknown, and nothing fs.ErrNotExist.
func recall(store *cache.Cache, c Case) (*Verdict, error) {
	e, err := store.Get(c.id())
	if err != nil {
		return nil, err
	}
	defer e.Close() // which was only read
	text, err := io.ReadAll(io.LimitReader(e, maxVerdict+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxVerdict {
		return nil, fmt.Errorf("%s: more than %d bytes", c.id(), maxVerdict)
	}
	k := new(kept)
	if err := json.Unmarshal(text, k); err != nil {
		return nil, err
	}
	if k.Of != c.digest() {
		return nil, errUnknown
	}
	return &k.Verdict, nil
}

// id is the name of what is kept of a case: of one place one thing is.
func (c Case) id() cache.ID {
	return cache.ID{Kind: Kind, Key: hash(fmt.Sprintf("%d %d %s", c.User, c.Partition, c.Place))}
}

// digest is that of all that there is to a case.
func (c Case) digest() string {
	text, _ := json.Marshal(c) // of strings and numbers
	return hash(string(text))
}

func (c Case) describe() string {
	if c.Place == "" {
		return "which paths the rules are about"
	}
	return "what the rules say of " + c.Place
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
