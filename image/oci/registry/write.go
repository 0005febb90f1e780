package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/wire"
)

// Writer is a repository that the client may change.
type Writer struct {
	e   *endpoint
	ref Reference
}

// Writer prepares to give an image the tag that ref names: it asks the registry
// how it wants to be spoken to, and shows it the credentials.
func (c *Client) Writer(ctx context.Context, ref Reference) (*Writer, error) {
	if ref.Digest != "" {
		return nil, hint.New(fmt.Sprintf("%s is a digest, which an image gets by itself", ref), "name a tag")
	}
	return c.writer(ctx, ref, transport.PushScope)
}

// Deleter is Writer for Delete, which takes a right of its own.
func (c *Client) Deleter(ctx context.Context, ref Reference) (*Writer, error) {
	return c.writer(ctx, ref, transport.DeleteScope)
}

func (c *Client) writer(ctx context.Context, ref Reference, action string) (*Writer, error) {
	e, err := c.direct(ctx, ref, action)
	if err != nil {
		return nil, err
	}
	return &Writer{e, ref}, nil
}

// PutManifest gives the reference's tag a manifest or index, whose blobs are
// there already, and returns its digest.
func (w *Writer) PutManifest(ctx context.Context, mediaType string, raw []byte) (digest string, err error) {
	return w.putManifest(ctx, w.ref.Tag, mediaType, raw)
}

func (w *Writer) putManifest(ctx context.Context, identifier, mediaType string, raw []byte) (digest string, err error) {
	sum := sha256.Sum256(raw)
	digest = "sha256:" + hex.EncodeToString(sum[:])
	file := &wire.Outgoing{Content: bytes.NewReader(raw), Size: int64(len(raw))}
	tries := w.e.tries()
	for {
		q, err := http.NewRequestWithContext(ctx, http.MethodPut, w.e.url("manifests", identifier), nil)
		if err != nil {
			return "", err
		}
		q.Header.Set("Content-Type", mediaType)
		resp, err := w.e.c.wire.Send(q, file, 0, w.e.client.Do)
		again, stop := tries.Again(ctx, wire.Transient(ctx, resp, err), resp)
		switch {
		case stop != nil:
			return "", stop
		case !again:
			if err = created(resp, err, digest); err != nil {
				err = fmt.Errorf("manifest: %w", err)
			}
			return digest, err
		}
	}
}

// tries counts those of what has a body. The client repeats all else.
func (e *endpoint) tries() *wire.Tries {
	return &wire.Tries{Options: e.c.wire, Host: e.Host, Most: wire.MaxTries}
}

// created reads the answer to what completes a blob or manifest.
func created(resp *http.Response, err error, digest string) error {
	if err != nil {
		return explain(err)
	}
	defer wire.Discard(resp.Body)
	if err := transport.CheckError(wire.Limited(resp), http.StatusCreated); err != nil {
		return explain(err)
	}
	if got := resp.Header.Get("Docker-Content-Digest"); got != "" && got != digest {
		return hint.New(fmt.Sprintf("the registry took it for %.140q instead of %s", got, digest),
			"do not use this registry until its administrator has looked at it")
	}
	return nil
}

// Resolve returns the digest of what the reference names, by the registry itself.
func (w *Writer) Resolve(ctx context.Context) (string, error) {
	if w.ref.Digest != "" {
		return w.ref.Digest, nil
	}
	m, err := w.e.manifest(ctx, w.ref.Tag, "")
	if err != nil {
		return "", err
	}
	return m.Digest, nil
}

// Delete removes the manifest or index of a digest, and with it all of its tags.
// Its blobs go when the registry cleans up.
func (w *Writer) Delete(ctx context.Context, digest string) error {
	if _, err := newHash(digest); err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodDelete, w.e.url("manifests", digest), nil)
	if err != nil {
		return err
	}
	resp, err := w.e.client.Do(q)
	if err == nil {
		defer wire.Discard(resp.Body)
		err = transport.CheckError(wire.Limited(resp), http.StatusOK, http.StatusAccepted, http.StatusNoContent)
	}
	if err = explain(err); isStatus(err, http.StatusMethodNotAllowed) {
		return hint.Wrap(err, "the registry forbids deletes; whoever runs it can allow them")
	}
	return err
}

// has says whether the repository has a blob.
func (w *Writer) has(ctx context.Context, digest string) (bool, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodHead, w.e.url("blobs", digest), nil)
	if err != nil {
		return false, err
	}
	resp, err := w.e.client.Do(q)
	if err == nil {
		defer wire.Discard(resp.Body)
		err = transport.CheckError(wire.Limited(resp), http.StatusOK)
	}
	if err = explain(err); isStatus(err, http.StatusNotFound) {
		return false, nil
	}
	return err == nil, err
}
