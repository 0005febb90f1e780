// Package compression is how layers and archives of images are compressed: what
// their media types and first bytes say, and decoders whose memory is bounded
// whatever a stream says.
//
// Input: streams that nobody trusts. Output: what they hold, or an error.
package compression

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Kind is how a stream is compressed.
type Kind string

// The kinds. Any is for what only the stream itself tells.
const (
	Any  Kind = ""
	None Kind = "not compressed"
	Gzip Kind = "gzip"
	Zstd Kind = "zstd"
)

// MaxWindow is the largest window of zstd accepted, in bytes: that of zstd
// --ultra and of --long without a number.
const MaxWindow = 128 << 20

// Of returns what a layer's media type says: layer.md of the OCI image format,
// and Docker's own types.
func Of(mediaType string) (Kind, error) {
	base, suffix, _ := strings.Cut(mediaType, "+")
	if strings.HasSuffix(suffix, "encrypted") {
		return "", errors.New("is encrypted")
	}
	switch base {
	case "application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":
		if suffix == "" {
			return Gzip, nil
		}
	case "application/vnd.docker.image.rootfs.diff.tar.zstd":
		if suffix == "" {
			return Zstd, nil
		}
	case "application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.foreign.diff.tar":
		switch suffix {
		case "":
			return None, nil
		case "gzip", "zstd":
			return Kind(suffix), nil
		}
	}
	return "", fmt.Errorf("has the media type %.140q, not a tar, gzip or zstd layer's", mediaType)
}

// Sniff tells from its first bytes, which it leaves, how a stream is compressed.
func Sniff(r *bufio.Reader) (Kind, error) {
	head, err := r.Peek(6)
	if err != nil && err != io.EOF {
		return "", err
	}
	skippable := len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte("\x2a\x4d\x18"))
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return Gzip, nil
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")) || skippable:
		return Zstd, nil
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		return "", errors.New("is compressed with xz, not gzip or zstd")
	case bytes.HasPrefix(head, []byte("BZh")) && len(head) == 6:
		return "", errors.New("is compressed with bzip2, not gzip or zstd")
	}
	return None, nil
}

// NewDecoder decompresses r. The result reads r to its end before it returns
// io.EOF. Its memory is bounded whatever the stream says.
func NewDecoder(c Kind, r *bufio.Reader) (io.ReadCloser, error) {
	switch c {
	case Gzip:
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		z.Multistream(false)
		return &members{r, z}, nil
	case Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(MaxWindow))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		return z.IOReadCloser(), nil
	}
	return io.NopCloser(r), nil
}

// members reads the members of a gzip file one after the other. NUL bytes
// after the last, as a tape pads them, are read over.
type members struct {
	r *bufio.Reader
	z *gzip.Reader
}

func (m *members) Read(p []byte) (int, error) {
	for {
		n, err := m.z.Read(p)
		if err == io.EOF {
			err = m.next()
		}
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
}

// next starts the next member; io.EOF means that there is none.
func (m *members) next() error {
	head, err := m.r.Peek(1)
	if err != nil {
		return err
	}
	if head[0] == 0 {
		return onlyNULs(m.r)
	}
	if err := m.z.Reset(m.r); err != nil {
		return fmt.Errorf("after a gzip member: %w", err)
	}
	m.z.Multistream(false)
	return nil
}

// onlyNULs reads r to its end and returns io.EOF, or an error if there was
// anything but NUL bytes.
func onlyNULs(r *bufio.Reader) error {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			return errors.New("garbage after the gzip stream")
		}
	}
}

// Close does nothing: the decoder holds nothing but memory.
func (m *members) Close() error { return nil }
