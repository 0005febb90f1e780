package remotes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/registry"
)

// maxDownload bounds a download in bytes.
const maxDownload = 4 << 30

// Download writes what a URL of http, https or file holds to w.
func Download(ctx context.Context, address string, w io.Writer) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	switch u.Scheme {
	case "file":
		return copyFile(u.Path, w)
	case "http", "https":
		return get(ctx, u, w)
	}
	return hint.New(fmt.Sprintf("%s cannot be fetched", u.Redacted()), "use http://, https:// or file://")
}

func copyFile(path string, w io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return errors.Join(err, f.Close())
}

func get(ctx context.Context, u *url.URL, w io.Writer) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	resp, err := client().Do(q)
	if err != nil {
		return hint.Wrap(err, "check the address, and the network and proxies of this machine (HTTPS_PROXY)")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("fetch %s: the server answers %s", u.Redacted(), resp.Status)
	}
	n, err := io.Copy(w, io.LimitReader(resp.Body, maxDownload+1))
	if err != nil {
		return fmt.Errorf("fetch %s: %w", u.Redacted(), err)
	}
	if n > maxDownload {
		return fmt.Errorf("fetch %s: it has more than %d bytes", u.Redacted(), maxDownload)
	}
	return nil
}

// client follows redirects, but not from TLS to none.
func client() *http.Client {
	return &http.Client{
		Transport: registry.NewTransport(http.ProxyFromEnvironment, nil), Timeout: time.Hour,
		CheckRedirect: func(q *http.Request, via []*http.Request) error {
			if len(via) >= 10 || strings.EqualFold(via[0].URL.Scheme, "https") && q.URL.Scheme != "https" {
				return fmt.Errorf("redirect to %s refused", q.URL.Redacted())
			}
			return nil
		},
	}
}
