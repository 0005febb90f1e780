// Package hint attaches to an error the one thing its reader can do about it.
//
// Input: an error and a remedy. Output: an error that wraps it. The command
// line prints the error and then the remedy; the package itself prints
// nothing.
package hint

import (
	"errors"
	"fmt"
)

type hinted struct {
	error
	text string
}

func (h hinted) Unwrap() error { return h.error }

// Hint returns the remedy.
func (h hinted) Hint() string { return h.text }

// Wrap returns err carrying the remedy that format and args spell, or nil when
// err is nil. A remedy is one imperative clause without a final period.
func Wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return hinted{err, fmt.Sprintf(format, args...)}
}

// New returns an error with the text msg and the given remedy.
func New(msg, format string, args ...any) error {
	return Wrap(errors.New(msg), format, args...)
}

// Of returns the remedy of the outermost error in err's tree that has one, or
// the empty string.
func Of(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
