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

// source is where a stream comes from.
type source struct {
	host string // for warnings
	// Ask sends a request and returns an answer that brings bytes.
	ask func(*http.Request) (*http.Response, error)
	url string
	// Size is in bytes, -1 unknown. Validator, if not empty, is what tells that
	// the bytes did not change since (RFC 9110, 13.1.5).
	size      int64
	validator string
	// Once is for bytes that nothing identifies: they are not put together of
	// several answers.
	once bool
}

// open connects to a source.
func open(ctx context.Context, o *Options, from source) (*stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{ctx: ctx, cancel: cancel, o: o, source: from}
	if err := s.connect(); err != nil {
		cancel()
		return nil, err
	}
	return s, nil
}

// stream is a file being read.
type stream struct {
	source
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
	q, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return err
	}
	q.Header.Set("Accept-Encoding", "identity") // bytes are counted
	if s.off > 0 {
		q.Header.Set("Range", fmt.Sprintf("bytes=%d-", s.off))
		if s.validator != "" {
			q.Header.Set("If-Range", s.validator)
		}
	}
	resp, err := s.ask(q)
	if err != nil {
		return err
	}
	s.body = Watch(resp.Body, s.o.Stall)
	if err := s.position(resp); err != nil {
		return errors.Join(err, resp.Body.Close())
	}
	return nil
}

// position brings the body of an answer to where the stream was.
func (s *stream) position(resp *http.Response) error {
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		if s.size >= 0 || resp.Header.Get("Content-Range") != fmt.Sprintf("bytes */%d", s.off) {
			return s.damaged("it changed while it was read")
		}
		s.size, s.body.r = s.off, http.NoBody // the connection broke after the last byte
		return nil
	}
	if s.validator != "" && Validator(resp.Header) != s.validator {
		return s.damaged("it changed while it was read")
	}
	if resp.StatusCode == http.StatusPartialContent {
		return s.positionRange(resp.Header.Get("Content-Range"))
	}
	if n := resp.ContentLength; n >= 0 && s.size >= 0 && n != s.size {
		return s.damaged("it has %d bytes on the server, not %d", n, s.size)
	}
	if s.off == 0 {
		return nil
	}
	if s.restarts++; s.restarts > MaxRestarts {
		return errors.New("the server begins anew after each break")
	}
	_, err := io.CopyN(io.Discard, s.body, s.off)
	return err
}

// positionRange checks that an answer with a part has the rest.
func (s *stream) positionRange(got string) error {
	size := s.size
	if size < 0 {
		// It is told here first. A wrong one makes another text than got.
		_, total, _ := strings.Cut(got, "/")
		size, _ = strconv.ParseInt(total, 10, 64)
	}
	want := fmt.Sprintf("bytes %d-%d/%d", s.off, size-1, size)
	if s.off == 0 || got != want {
		return s.damaged("the server sends %q instead of %q", got, want)
	}
	s.size = size
	return nil
}

func (s *stream) damaged(format string, args ...any) error {
	return hint.New(fmt.Sprintf(format, args...), "try again; if it stays so, tell who runs the server")
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
	if over := s.off + int64(n) - s.size; s.size >= 0 && over > 0 {
		n -= int(over)
		err = s.damaged("it goes on after %d bytes", s.size)
		s.err = err
	}
	s.off += int64(n)
	if err == io.EOF && s.off < s.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// end tells whether an error ends the stream, which it sets then. Else there is
// a new connection.
func (s *stream) end(err error) bool {
	if s.err == nil && (err == io.EOF || s.ctx.Err() != nil || !Broken(err)) {
		s.err = err
		if s.ctx.Err() != nil {
			s.err = s.ctx.Err()
		}
	}
	if s.err == nil && s.once && s.off > 0 {
		s.err = fmt.Errorf("after %s: %w", s.progress(), err)
	}
	for s.err == nil {
		_ = s.body.Close() // it is Broken
		if s.tries++; s.tries > MaxTries {
			s.err = fmt.Errorf("after %s: %w", s.progress(), err)
			break
		}
		s.o.Warnf("%s: after %s: %v; going on there", s.host, s.progress(), err)
		if s.err = s.o.Sleep(s.ctx, PauseAfter(s.tries, nil)); s.err != nil {
			break
		}
		if err = s.connect(); err == nil {
			return false
		}
		// A server that was there may be starting anew.
		if !Broken(err) && !errors.Is(err, syscall.ECONNREFUSED) {
			s.err = err
		}
	}
	return true
}

func (s *stream) progress() string {
	if s.size < 0 {
		return fmt.Sprintf("%d bytes", s.off)
	}
	return fmt.Sprintf("%d of %d bytes", s.off, s.size)
}

// Close is io.Closer's.
func (s *stream) Close() error {
	s.cancel()
	return s.body.Close()
}
