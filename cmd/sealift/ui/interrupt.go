package ui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// interrupted is the end of a command by a signal.
type interrupted struct{ syscall.Signal }

func (i interrupted) Error() string { return fmt.Sprintf("ended by a signal: %v", i.Signal) }

// ExitCode is 128+n.
func (i interrupted) ExitCode() int { return 128 + int(i.Signal) }

// Interruptible calls f with a context that the signals which end a program
// cancel. When one did, that is the error, whatever else came of it.
func Interruptible(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	go func() {
		select {
		case s := <-signals:
			n, _ := s.(syscall.Signal)
			cancel(interrupted{n})
		case <-ctx.Done():
		}
	}()
	err := f(ctx)
	var by interrupted
	if err != nil && errors.As(context.Cause(ctx), &by) {
		return by
	}
	return err
}
