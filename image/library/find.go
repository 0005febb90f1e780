package library

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/wire"
)

// image is what matters of the library's record of an image.
type image struct {
	item
	Hash           string   `json:"hash"`
	Size           int64    `json:"size"`
	Uploaded       bool     `json:"uploaded"`
	Description    string   `json:"description"`
	Signed         *bool    `json:"signed"`
	Fingerprints   []string `json:"fingerprints"`
	Architecture   string   `json:"arch"`
	EntityName     string   `json:"entityName"`
	CollectionName string   `json:"collectionName"`
	ContainerName  string   `json:"containerName"`
	Tags           []string `json:"tags"`
}

// item is anything that a library has a record of.
type item struct {
	ID string `json:"id"`
}

// check refuses an id that would lead elsewhere in an address.
func (i item) check() error {
	if i.ID == "" || strings.Trim(i.ID, idLetters) != "" {
		return fmt.Errorf("the library sends %.80q as an id", i.ID)
	}
	return nil
}

const idLetters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"

// File is a SIF file in a library.
type File struct {
	client *Client
	url    string
	// Digest is "sha256:" and 64 hexadecimal digits, Size in bytes.
	Digest string
	Size   int64
}

// Find looks up the image of an architecture, such as "amd64", that the
// reference names.
func (c *Client) Find(ctx context.Context, ref Reference, arch string) (*File, error) {
	name, err := ref.image()
	if err != nil {
		return nil, err
	}
	found, err := c.record(ctx, name, arch)
	if err != nil {
		return nil, err
	}
	if !digest().MatchString(found.Hash) || found.Size < 0 {
		return nil, hint.New(fmt.Sprintf("the library knows %s by %.100q and %d bytes, not by a digest", ref, found.Hash, found.Size),
			"push the image again")
	}
	f := &File{c, c.address("v1/imagefile/"+name, forArch(arch)), strings.Replace(found.Hash, ".", ":", 1), found.Size}
	if asked := ref.Digest(); asked != "" && asked != f.Digest {
		return nil, hint.New(fmt.Sprintf("the library offers an image of digest %s instead of %s", f.Digest, asked),
			"do not use this library until its administrator has looked at it")
	}
	return f, nil
}

func forArch(arch string) url.Values { return url.Values{"arch": {arch}} }

func (c *Client) record(ctx context.Context, name, arch string) (found image, err error) {
	err = c.call(ctx, http.MethodGet, "v1/images/"+name, forArch(arch), nil, &found)
	if err == nil {
		err = found.check()
	}
	return found, err
}

// Copy writes the file to w. It is verified at the end: on an error, what was
// written is worth nothing.
func (f *File) Copy(ctx context.Context, w io.Writer) (err error) {
	r, err := f.client.server.Open(ctx, wire.Download{URL: f.url, Size: f.Size, Verified: true, Explain: f.client.explain})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return wire.CopyVerified(w, r, f.Digest)
}
