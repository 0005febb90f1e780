package library

import (
	"context"
	"crypto/md5" // #nosec G501 -- what old servers compare with S3's checksum; sha256 is what names the image
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/wire"
)

// noDescription is what the peers give to what they make, and to images
// without one.
const noDescription = "No description"

// Upload is a SIF file to be pushed.
type Upload struct {
	File io.ReaderAt
	Size int64 // in bytes
	// Arch is the image's architecture, such as "amd64".
	Arch        string
	Description string
	// Sent, if not nil, is told how many bytes more are on their way.
	Sent func(n int64)
}

// outgoing is a part of the file, to be sent.
func (u Upload) outgoing(start, size int64) *wire.Outgoing {
	return &wire.Outgoing{Content: io.NewSectionReader(u.File, start, size), Size: size, Sent: u.Sent}
}

// sums are digests in hexadecimal digits.
type sums struct{ sha256, md5 string }

// Push uploads a file, unless the library has it, makes what the reference
// names and is not there, and sets the tags. It returns the digest.
func (c *Client) Push(ctx context.Context, ref Reference, u Upload) (string, error) {
	if strings.Count(ref.Path, "/") != 2 {
		return "", badReference(ref.Path, errors.New("a push takes a path of three parts"))
	}
	for _, tag := range ref.Tags {
		if digest().MatchString(tag) {
			return "", badReference(ref.String(), errors.New("an image gets its digest by itself"))
		}
	}
	s, err := sum(io.NewSectionReader(u.File, 0, u.Size), u.Size)
	if err != nil {
		return "", err
	}
	container, err := c.container(ctx, strings.Split(ref.Path, "/"))
	if err != nil {
		return "", err
	}
	found, err := c.record(ctx, ref.Path+":sha256."+s.sha256, u.Arch)
	if errors.Is(err, ErrNotFound) {
		found, err = c.create(ctx, container, s, u.Description)
	}
	if err == nil && !found.Uploaded {
		err = c.upload(ctx, found.ID, u, s)
	}
	if err == nil {
		err = c.setTags(ctx, container, found.ID, u.Arch, ref.Tags)
	}
	return "sha256:" + s.sha256, err
}

func sum(r io.Reader, size int64) (sums, error) {
	a, b := sha256.New(), md5.New() // #nosec G401 -- see above
	n, err := io.Copy(io.MultiWriter(a, b), r)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return sums{hex.EncodeToString(a.Sum(nil)), hex.EncodeToString(b.Sum(nil))}, err
}

// newItem is a request to make something below a parent.
type newItem struct {
	Name        string `json:"name,omitempty"`
	Hash        string `json:"hash,omitempty"`
	Description string `json:"description"`
	Entity      string `json:"entity,omitempty"`
	Collection  string `json:"collection,omitempty"`
	Container   string `json:"container,omitempty"`
}

// container returns the id of the container of a path, which is made where it,
// or what it is in, is not there.
func (c *Client) container(ctx context.Context, path []string) (id string, err error) {
	for n, kind := range []string{"v1/entities", "v1/collections", "v1/containers"} {
		var found item
		err := c.call(ctx, http.MethodGet, kind+"/"+strings.Join(path[:n+1], "/"), nil, nil, &found)
		if errors.Is(err, ErrNotFound) {
			send := newItem{Name: path[n], Description: noDescription}
			switch n {
			case 1:
				send.Entity = id
			case 2:
				send.Collection = id
			}
			err = c.call(ctx, http.MethodPost, kind, nil, send, &found)
		}
		if err == nil {
			err = found.check()
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", strings.Join(path[:n+1], "/"), err)
		}
		id = found.ID
	}
	return id, nil
}

func (c *Client) create(ctx context.Context, container string, s sums, description string) (found image, err error) {
	if description == "" {
		description = noDescription
	}
	err = c.call(ctx, http.MethodPost, "v1/images", nil, newItem{Hash: "sha256." + s.sha256, Description: description, Container: container}, &found)
	if err == nil {
		err = found.check()
	}
	return found, err
}

// Releases of the interface, as prereleases of 2.0.0: uploads that go to the
// storage itself, and tags by architecture.
const (
	directUploads = "alpha.1"
	archTags      = "alpha.2"
)

// since says whether the library has what came with a prerelease of 2.0.0. One
// that does not tell has not.
func (c *Client) since(ctx context.Context, prerelease string) bool {
	var v struct {
		API string `json:"apiVersion"`
	}
	if err := c.call(ctx, http.MethodGet, "version", nil, nil, &v); err != nil {
		return false
	}
	core, pre, early := strings.Cut(v.API, "-")
	var major int
	if _, err := fmt.Sscanf(core, "%d.", &major); err != nil || major < 2 {
		return false
	}
	return core != "2.0.0" || !early || pre >= prerelease
}

// upload sends the bytes of an image, the way that the library has.
func (c *Client) upload(ctx context.Context, id string, u Upload, s sums) error {
	if !c.since(ctx, directUploads) {
		q, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address("v1/imagefile/"+id, nil), nil)
		if err != nil {
			return err
		}
		_, err = c.send(q, u.outgoing(0, u.Size))
		return err
	}
	if u.Size > c.minParts {
		p, err := c.startParts(ctx, id, u.Size)
		if err == nil {
			return c.uploadParts(ctx, id, u, p)
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		// Its storage takes files as a whole only.
	}
	return c.uploadWhole(ctx, id, u, s)
}

// send sends a part of a file as a request's body, and returns the answer's
// ETag.
func (c *Client) send(q *http.Request, f *wire.Outgoing) (tag string, err error) {
	resp, err := c.server.Send(q, f)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		if q.URL.Host == c.base.Host {
			return "", c.explain(resp)
		}
		return "", hint.New(fmt.Sprintf("the library's storage %s answers %s", q.URL.Host, resp.Status), "try again later")
	}
	return resp.Header.Get("ETag"), nil
}
