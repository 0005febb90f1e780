package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Source is where a stream comes from.
type Source struct {
	// Ask asks for a part of the file, which the header tells, and hands an answer
	// that brings bytes to use. What that returns, Ask returns.
	Ask func(ctx context.Context, part http.Header, use func(*http.Response) error) error
	// Host returns who was asked last, for warnings.
	Host func() string
	// Broken, if not nil, is told why the connection broke for so many times since
	// the last byte, and returns whether they count from one again, as another
	// server is asked next.
	Broken func(times int, err error) bool
	// Name, unless empty, says in errors which file it is, and Remedy what to do
	// about one that is damaged.
	Name, Remedy string
	// Size is in bytes, -1 unknown. Validator, if not empty, is what tells that
	// the bytes did not change since (RFC 9110, 13.1.5).
	Size      int64
	Validator string
	// Once is for bytes that nothing identifies: they are not put together of
	// several answers.
	Once bool
}

// Open opens a file. The stream goes on where it was when the connection breaks
// or stalls, as often as it makes progress between. It ends in an error if the
// file turns out to have another size, and does not verify the digest.
func Open(ctx context.Context, o *Options, from Source) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{ctx: ctx, cancel: cancel, o: o, Source: from}
	if err := s.connect(); err != nil {
		cancel()
		return nil, err
	}
	return s, nil
}

// stream is a file being read.
type stream struct {
	Source
	ctx    context.Context
	cancel context.CancelFunc
	o      *Options
	off    int64 // bytes read
	body   *Watched
	// tries counts the connections since the last byte, restarts those that
	// began anew.
	tries, restarts int
	err             error
}

// connect asks for the rest of the file.
func (s *stream) connect() error {
	part := http.Header{"Accept-Encoding": {"identity"}} // bytes are counted
	if s.off > 0 {
		part.Set("Range", fmt.Sprintf("bytes=%d-", s.off))
		if s.Validator != "" {
			part.Set("If-Range", s.Validator)
		}
	}
	return s.Ask(s.ctx, part, func(resp *http.Response) error {
		s.body = Watch(resp.Body, s.o.Stall)
		if err := s.position(resp); err != nil {
			return errors.Join(err, resp.Body.Close())
		}
		return nil
	})
}

// position brings the body of an answer to where the stream was.
func (s *stream) position(resp *http.Response) error {
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		if s.Size >= 0 || resp.Header.Get("Content-Range") != fmt.Sprintf("bytes */%d", s.off) {
			return s.damaged("it changed while it was read")
		}
		s.Size, s.body.r = s.off, http.NoBody // the connection broke after the last byte
		return nil
	}
	if s.Validator != "" && Validator(resp.Header) != s.Validator {
		return s.damaged("it changed while it was read")
	}
	if resp.StatusCode == http.StatusPartialContent {
		return s.positionRange(resp.Header.Get("Content-Range"))
	}
	if n := resp.ContentLength; n >= 0 && s.Size >= 0 && n != s.Size {
		return s.damaged("it has %d bytes there, not %d", n, s.Size)
	}
	if s.off == 0 {
		return nil
	}
	if s.restarts++; s.restarts > MaxRestarts {
		return s.failed(errors.New("the server begins anew after each break"))
	}
	_, err := io.CopyN(io.Discard, s.body, s.off)
	return err
}

// positionRange checks that an answer with a part has the rest.
func (s *stream) positionRange(got string) error {
	size := s.Size
	if size < 0 {
		// It is told here first. A wrong one makes another text than got.
		_, total, _ := strings.Cut(got, "/")
		size, _ = strconv.ParseInt(total, 10, 64)
	}
	want := fmt.Sprintf("bytes %d-%d/%d", s.off, size-1, size)
	if s.off == 0 || got != want {
		return s.damaged("the server sends %q instead of %q", got, want)
	}
	s.Size = size
	return nil
}

func (s *stream) damaged(format string, args ...any) error {
	return hint.Wrap(s.failed(fmt.Errorf(format, args...)), "%s", s.Remedy)
}

// failed says which file it is.
func (s *stream) failed(err error) error {
	if s.Name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", s.Name, err)
}

// Read is io.Reader's.
func (s *stream) Read(p []byte) (int, error) {
	for s.err == nil {
		n, err := s.read(p)
		if n > 0 {
			s.tries = 0
		}
		if err == nil || s.end(err) {
			return n, s.err
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, s.err
}

// read reads from the connection that there is.
func (s *stream) read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	if over := s.off + int64(n) - s.Size; s.Size >= 0 && over > 0 {
		n -= int(over)
		err = s.damaged("it goes on after %d bytes", s.Size)
		s.err = err
	}
	s.off += int64(n)
	if err == io.EOF && s.off < s.Size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// end tells whether an error ends the stream, which it sets then. Else there is
// a new connection.
func (s *stream) end(err error) bool {
	if s.err == nil && (err == io.EOF || s.ctx.Err() != nil || !IsBroken(err)) {
		s.err = err
		if s.ctx.Err() != nil {
			s.err = s.ctx.Err()
		}
	}
	if s.err == nil && s.Once && s.off > 0 {
		s.err = s.failed(fmt.Errorf("after %s: %w", s.progress(), err))
	}
	for s.err == nil {
		_ = s.body.Close() // it is Broken
		if s.tries++; s.Broken != nil && s.Broken(s.tries, err) {
			s.tries = 1
		}
		if s.tries > MaxTries {
			s.err = s.failed(fmt.Errorf("after %s: %w", s.progress(), err))
			break
		}
		s.o.Warnf("%s: after %s: %v; going on there", s.Host(), s.progress(), err)
		if s.err = s.o.Sleep(s.ctx, PauseAfter(s.tries, nil)); s.err != nil {
			break
		}
		if err = s.connect(); err == nil {
			return false
		}
		// A server that was there may be starting anew.
		if !IsBroken(err) && !errors.Is(err, syscall.ECONNREFUSED) {
			s.err = err
		}
	}
	return true
}

func (s *stream) progress() string {
	if s.Size < 0 {
		return fmt.Sprintf("%d bytes", s.off)
	}
	return fmt.Sprintf("%d of %d bytes", s.off, s.Size)
}

// Close is io.Closer's.
func (s *stream) Close() error {
	s.cancel()
	return s.body.Close()
}
