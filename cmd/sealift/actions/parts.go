package actions

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/cmd/sealift/gpus"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/cmd/sealift/verdicts"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/crypt"
)

// Parts are what few containers need: registries, rules, keys. A program with them has
// hundreds of packages more to start, which takes as long as a container.
type Parts interface {
	// AddFlags adds their flags to a command.
	AddFlags(flags *pflag.FlagSet)
	// Help is what the help of a command says of them.
	Help() string
	// Get gets the image of a name that is elsewhere; nil is one that is here.
	Get(ctx context.Context, p *ui.Process, name string) (*Got, error)
	// Hold returns what decides by the rules about images, of a source if that is not
	// empty; see image.Hold. With always every image is held against its hash tree.
	Hold(ctx context.Context, p *ui.Process, source string, always bool) (image.Hold, error)
	// Key returns what gets the key of encrypted images; named says that one is named,
	// so that it may have to be asked for.
	Key(ctx context.Context, p *ui.Process) (key func() (*crypt.Key, error), named bool)
	// CDI reads specifications of CDI in directories; named says that the user names
	// devices in them.
	CDI(dirs []string, named bool) (gpus.CDI, error)
	// Ready is called when all is there, before anything is started or said.
	Ready()
	// TempDir returns the directory for unpacked images; chosen says that the user did.
	TempDir(p *ui.Process) (dir string, chosen bool, err error)
}

// Got is an image that was elsewhere.
type Got struct {
	Path string
	// Title is how messages name it, Source what rules know it by.
	Title, Source string
	// Close lets the cache remove it.
	Close func() error
}

// ErrParts says that a container needs parts that this program lacks. Nothing has
// happened yet: a program that has them can do it all.
var ErrParts = errors.New("it takes the whole program")

// None are no parts: images are files and directories here, there are no rules or what they say
// of these is remembered, and they are not encrypted; all else is ErrParts.
type None struct {
	// Speak is called when a container can be started, and what was said until then.
	Speak func()
}

// AddFlags adds no flag.
func (None) AddFlags(*pflag.FlagSet) {}

// Help says nothing.
func (None) Help() string { return "" }

// Get returns nil for a name that cannot be one of an image elsewhere.
func (None) Get(_ context.Context, _ *ui.Process, name string) (*Got, error) {
	if scheme, _, named := strings.Cut(name, ":"); named && !strings.Contains(scheme, "/") {
		return nil, ErrParts
	}
	if _, err := os.Stat(name); err != nil {
		return nil, ErrParts // which explains it best
	}
	return nil, nil
}

// Hold returns nil where there are no rules, and else what knows the images that they allowed
// not long ago.
func (None) Hold(_ context.Context, p *ui.Process, _ string, always bool) (image.Hold, error) {
	hold := verdicts.Hold(p, ErrParts)
	if always {
		hold = image.Always(hold)
	}
	return hold, nil
}

// Key returns what finds no key.
func (None) Key(context.Context, *ui.Process) (key func() (*crypt.Key, error), named bool) {
	return func() (*crypt.Key, error) { return nil, ErrParts }, false
}

// CDI returns nil where there are no specifications.
func (None) CDI(dirs []string, named bool) (gpus.CDI, error) {
	for _, dir := range dirs {
		if files, err := os.ReadDir(dir); named || err == nil && len(files) > 0 {
			return nil, ErrParts
		}
	}
	return nil, nil
}

// Ready calls Speak.
func (n None) Ready() { n.Speak() }

// TempDir finds no directory.
func (None) TempDir(*ui.Process) (dir string, chosen bool, err error) { return "", false, ErrParts }
