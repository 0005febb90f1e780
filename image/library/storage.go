package library

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/wire"
)

// minMultipart is a Client's minParts; the peers' is the same.
const minMultipart = 64 << 20

// maxParts is S3's bound on the parts of a file.
const maxParts = 10_000

// partTries is how often a part is sent.
const partTries = 3

// abortTime is how long a failed upload tries to be forgotten.
const abortTime = 10 * time.Second

// sumHeader is the digest of what is sent, which S3 compares.
const sumHeader = "X-Amz-Content-Sha256"

// uploadWhole sends a file to the storage, at an address that the library
// signs.
func (c *Client) uploadWhole(ctx context.Context, id string, u Upload, s sums) error {
	path := "v2/imagefile/" + id
	var at struct {
		URL string `json:"uploadURL"`
	}
	ask := struct {
		Size   int64  `json:"filesize"`
		MD5    string `json:"md5sum"`
		SHA256 string `json:"sha256sum"`
	}{u.Size, s.md5, s.sha256}
	if err := c.call(ctx, http.MethodPost, path, nil, ask, &at); err != nil {
		return err
	}
	q, err := c.toStorage(ctx, at.URL)
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/octet-stream")
	if strings.Contains(q.URL.Query().Get("X-Amz-SignedHeaders"), strings.ToLower(sumHeader)) {
		q.Header.Set(sumHeader, s.sha256)
	}
	if _, err := c.send(q, u.outgoing(0, u.Size)); err != nil {
		return err
	}
	return c.call(ctx, http.MethodPut, path+"/_complete", nil, struct{}{}, nil)
}

// toStorage is a request for an address that the library signed.
func (c *Client) toStorage(ctx context.Context, address string) (*http.Request, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || c.base.Scheme != "http") {
		// It may be signed: it is a secret.
		return nil, hint.New("the library names no address of a storage that may be used", "tell who runs the library")
	}
	return http.NewRequestWithContext(ctx, http.MethodPut, address, nil)
}

// parts is how the library wants a file to be sent.
type parts struct {
	UploadID string            `json:"uploadID"`
	Total    int               `json:"totalParts"`
	Size     int64             `json:"partSize"`
	Options  map[string]string `json:"options"`
}

// part is one that was sent.
type part struct {
	Number int    `json:"partNumber"`
	Token  string `json:"token"`
}

// startParts asks how to send a file in parts. It is ErrNotFound where the
// library cannot do that.
func (c *Client) startParts(ctx context.Context, id string, size int64) (p parts, err error) {
	err = c.call(ctx, http.MethodPost, multipart(id), nil, map[string]int64{"filesize": size}, &p)
	if err == nil && (p.Size <= 0 || p.Total <= 0 || p.Total > maxParts || int64(p.Total) != (size-1)/p.Size+1) {
		err = fmt.Errorf("the library wants %d bytes in %d parts of %d", size, p.Total, p.Size)
	}
	return p, err
}

func multipart(id string) string { return "v2/imagefile/" + id + "/_multipart" }

// uploadParts sends a file to the storage in parts.
func (c *Client) uploadParts(ctx context.Context, id string, u Upload, p parts) error {
	done, err := c.sendParts(ctx, id, u, p)
	if err == nil {
		return c.call(ctx, http.MethodPut, multipart(id)+"_complete", nil, map[string]any{"uploadID": p.UploadID, "completedParts": done}, nil)
	}
	// What was sent would take the user's space for ever. The context may have
	// ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	return errors.Join(err, c.call(ctx, http.MethodPut, multipart(id)+"_abort", nil, map[string]string{"uploadID": p.UploadID}, nil))
}

func (c *Client) sendParts(ctx context.Context, id string, u Upload, p parts) ([]part, error) {
	done := make([]part, 0, p.Total)
	for n := range p.Total {
		start := int64(n) * p.Size
		token, err := c.insist(ctx, id, p, n+1, u.outgoing(start, min(p.Size, u.Size-start)))
		if err != nil {
			return nil, fmt.Errorf("part %d of %d: %w", n+1, p.Total, err)
		}
		done = append(done, part{n + 1, token})
	}
	return done, nil
}

// insist sends a part, more than once if need be.
func (c *Client) insist(ctx context.Context, id string, p parts, number int, f *wire.Outgoing) (token string, err error) {
	for try := 1; ; try++ {
		token, err = c.sendPart(ctx, multipart(id), p, number, f)
		if err == nil || try == partTries || ctx.Err() != nil {
			return token, err
		}
		if err := c.server.Pause(ctx, try); err != nil {
			return "", err
		}
	}
}

// sendPart sends a part, and returns the token of the storage.
func (c *Client) sendPart(ctx context.Context, path string, p parts, number int, f *wire.Outgoing) (string, error) {
	sha := ""
	if option := p.Options["s3compliant"]; option == "" || option == "true" {
		s, err := sum(io.NewSectionReader(f.Content, 0, f.Size), f.Size)
		if err != nil {
			return "", err
		}
		sha = s.sha256
	}
	ask := struct {
		Size     int64  `json:"partSize"`
		UploadID string `json:"uploadID"`
		Number   int    `json:"partNumber"`
		SHA256   string `json:"sha256sum"`
	}{f.Size, p.UploadID, number, sha}
	var at struct {
		URL string `json:"presignedURL"`
	}
	if err := c.call(ctx, http.MethodPut, path, nil, ask, &at); err != nil {
		return "", err
	}
	q, err := c.toStorage(ctx, at.URL)
	if err != nil {
		return "", err
	}
	if sha != "" {
		q.Header.Set(sumHeader, sha)
	}
	return c.send(q, f)
}
