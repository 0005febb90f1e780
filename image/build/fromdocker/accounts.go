package fromdocker

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/image/dockerfile/perm"
	"github.com/sealift/sealift/image/tree"
)

// maxAccounts is how much is read of an image's passwd(5) or group(5), in bytes.
const maxAccounts = 4 << 20

// treeFile returns what reads files of a tree, the contents of which are
// tree.Openers.
func treeFile(root *tree.Node) perm.Reader {
	return func(name string) (string, error) {
		n, err := root.Follow(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && (n.Type() != tree.TypeRegular || n.Content == nil) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		o, ok := n.Content.(tree.Opener)
		if !ok {
			return "", fmt.Errorf("/%s: its content cannot be read", name)
		}
		r, err := o.Open()
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(io.LimitReader(r, maxAccounts))
		return string(text), errors.Join(err, r.Close())
	}
}

// viewFile returns what reads files of a file system.
func viewFile(view image.FS) perm.Reader {
	return func(name string) (string, error) {
		text, err := image.ReadFile(view, name, maxAccounts)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		return string(text), err
	}
}
