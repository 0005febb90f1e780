// Package failure says in words why a container could not be started.
//
// Input: a plan and the starter's report, or the error of a system call. Output: errors
// with hints, and exit codes. It is pure.
package failure

import "errors"

// The exit codes of failures.
const (
	exitFailed   = 125 // Sealift failed
	exitNoExec   = 126 // the command cannot be executed
	exitNotFound = 127 // the command does not exist
)

// Failure is an error before, or instead of, the payload's own end.
type Failure struct {
	code int
	err  error
}

// Error returns what failed and why.
func (f *Failure) Error() string { return f.err.Error() }

// Unwrap returns the cause; a system call's error is in its tree.
func (f *Failure) Unwrap() error { return f.err }

// ExitCode returns 127 when the command was not found, 126 when it is not
// executable, and 125 when anything else failed.
func (f *Failure) ExitCode() int { return f.code }

// Of makes err a Failure of Sealift's own unless it is a Failure already.
func Of(err error) error {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	return &Failure{exitFailed, err}
}
