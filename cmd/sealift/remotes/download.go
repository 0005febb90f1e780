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

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/oci/conn"
)

// maxDownload bounds a download in bytes.
const maxDownload = 4 << 30

// Get returns what a URL of http, https or file holds, and when it was changed
// last, if that is known. It ends with an error after 4 GiB.
func Get(ctx context.Context, address string) (io.ReadCloser, time.Time, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, time.Time{}, err
	}
	switch u.Scheme {
	case "file":
		return openFile(u.Path)
	case "http", "https":
		return get(ctx, address)
	}
	return nil, time.Time{}, hint.New(fmt.Sprintf("%s cannot be fetched", u.Redacted()), "use http://, https:// or file://")
}

func openFile(path string) (io.ReadCloser, time.Time, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, errors.Join(err, f.Close())
	}
	return f, info.ModTime(), nil
}

func get(ctx context.Context, address string) (io.ReadCloser, time.Time, error) {
	var changed time.Time
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, changed, err
	}
	q.Header.Set("User-Agent", "sealift/"+buildcfg.Version)
	resp, err := client().Do(q)
	if err != nil {
		return nil, changed, hint.Wrap(err, "check the address, and the network and proxies of this machine (HTTPS_PROXY)")
	}
	if resp.StatusCode != http.StatusOK {
		err := hint.New(fmt.Sprintf("fetch %s: the server answers %s", q.URL.Redacted(), resp.Status), "check the address")
		return nil, changed, errors.Join(err, resp.Body.Close())
	}
	if t, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil {
		changed = t
	}
	return bounded{io.LimitReader(resp.Body, maxDownload+1), resp.Body, new(int64)}, changed, nil
}

// bounded fails after maxDownload bytes.
type bounded struct {
	io.Reader
	io.Closer
	n *int64
}

func (b bounded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if *b.n += int64(n); *b.n > maxDownload {
		return n, fmt.Errorf("it has more than %d bytes", maxDownload)
	}
	return n, err
}

// client follows redirects, but not from TLS to none.
func client() *http.Client {
	return &http.Client{
		Transport: conn.NewTransport(http.ProxyFromEnvironment, nil), Timeout: time.Hour,
		CheckRedirect: func(q *http.Request, via []*http.Request) error {
			if len(via) >= 10 || strings.EqualFold(via[0].URL.Scheme, "https") && q.URL.Scheme != "https" {
				return fmt.Errorf("redirect to %s refused", q.URL.Redacted())
			}
			return nil
		},
	}
}
