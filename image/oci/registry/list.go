package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/wire"
)

// maxList bounds the pages of a list together, in bytes. pageSize is how many
// names are asked for at a time.
const (
	maxList  = 32 << 20
	pageSize = 1000
)

// minPage is what a page counts at least, so that a list of empty ones ends.
const minPage = 16 << 10

// Tags returns the tags of the repository that ref names, by the registry
// itself, in its order.
func (c *Client) Tags(ctx context.Context, ref Reference) ([]string, error) {
	return c.list(ctx, ref, "tags/list", transport.PullScope)
}

// Catalog returns the repositories of a registry, host[:port], in its order: the
// "_catalog" of Docker's registry, which others have too.
func (c *Client) Catalog(ctx context.Context, host string) ([]string, error) {
	list, err := c.list(ctx, Reference{Host: host}, "_catalog", "")
	if isStatus(err, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed) {
		return nil, hint.Wrap(fmt.Errorf("%s does not list its repositories: %w", host, err),
			"name a repository, whose tags are listed then, or log in: sealift registry login")
	}
	return list, err
}

// list reads a list of names, page by page.
func (c *Client) list(ctx context.Context, ref Reference, what, action string) (names []string, err error) {
	e, err := c.direct(ctx, ref, action)
	if err != nil {
		return nil, err
	}
	left := int64(maxList)
	for at := fmt.Sprintf("%s%s?n=%d", e.base, what, pageSize); at != ""; {
		var page struct{ Tags, Repositories []string }
		if at, err = e.page(ctx, at, &left, &page); err != nil {
			return nil, err
		}
		names = append(append(names, page.Tags...), page.Repositories...)
	}
	return names, nil
}

// page decodes a page, which may have as many bytes as are left, and returns the
// address of the next one, empty after the last.
func (e *endpoint) page(ctx context.Context, at string, left *int64, to any) (next string, err error) {
	resp, err := e.do(ctx, http.MethodGet, at, "application/json")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(wire.Watch(resp.Body, e.c.wire.Stall), *left+1))
	if *left -= max(int64(len(raw)), minPage); err == nil && *left < 0 {
		err = fmt.Errorf("it has more than %d bytes", maxList)
	}
	if err == nil {
		err = json.Unmarshal(raw, to)
	}
	if err == nil {
		next, err = nextPage(resp)
	}
	if err != nil {
		return "", fmt.Errorf("the registry's list: %w", err)
	}
	return next, nil
}

// nextPage reads the header Link (RFC 8288) of a page; it is empty on the last.
func nextPage(resp *http.Response) (string, error) {
	target, parameters, _ := strings.Cut(resp.Header.Get("Link"), ">")
	target, ok := strings.CutPrefix(strings.TrimSpace(target), "<")
	if !ok || !strings.Contains(strings.ReplaceAll(parameters, `"`, ""), "rel=next") {
		return "", nil
	}
	here := resp.Request.URL
	to, err := here.Parse(target)
	if err != nil || to.Host != here.Host || to.Scheme != here.Scheme {
		return "", errors.New("it goes on elsewhere")
	}
	return to.String(), nil
}
