// Package daemon gets images from a Docker daemon, or from what speaks like one,
// such as podman system service.
//
// Input: the daemon's address and an image's name there. Output: the stream of
// docker save: GET /images/NAME/get of the Engine API
// (docs.docker.com/reference/api/engine), which nobody has verified.
package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// DefaultAddress is where Docker's daemon listens.
const DefaultAddress = "unix:///var/run/docker.sock"

// maxMessage bounds what is read of an answer that is an error, in bytes.
const maxMessage = 64 << 10

// Save writes the archive of an image to w. Address is unix://PATH or
// tcp://HOST:PORT, and empty for DefaultAddress.
func Save(ctx context.Context, address, name string, w io.Writer) error {
	if address == "" {
		address = DefaultAddress
	}
	client, base, err := dial(address)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/images/"+url.PathEscape(name)+"/get", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(q)
	if err != nil {
		return hint.Wrap(fmt.Errorf("the Docker daemon at %s: %w", address, reason(err)),
			"start it, join the group that may use it, or name another with DOCKER_HOST")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refused(address, name, resp)
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("image %s from the Docker daemon: %w", name, err)
	}
	return nil
}

// dial returns a client of the daemon, and the URL that its requests begin
// with.
func dial(address string) (*http.Client, string, error) {
	scheme, rest, _ := strings.Cut(address, "://")
	switch scheme {
	case "unix":
		t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", rest)
		}}
		return &http.Client{Transport: t}, "http://docker", nil
	case "tcp":
		return &http.Client{Transport: &http.Transport{}}, "http://" + rest, nil
	}
	return nil, "", hint.New(fmt.Sprintf("Docker daemon at %q", address), "write unix://PATH or tcp://HOST:PORT")
}

// reason is an error of the connection without the request, which was not the
// user's.
func reason(err error) error {
	var q *url.Error
	if errors.As(err, &q) {
		return q.Err
	}
	return err
}

// refused returns the daemon's own words.
func refused(address, name string, resp *http.Response) error {
	var answer struct{ Message string }
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxMessage))
	if err != nil || json.Unmarshal(raw, &answer) != nil || answer.Message == "" {
		answer.Message = resp.Status
	}
	err = fmt.Errorf("the Docker daemon at %s: %s: %.500s", address, name, answer.Message)
	if resp.StatusCode == http.StatusNotFound {
		return hint.Wrap(err, "docker image ls lists what it has")
	}
	return err
}
