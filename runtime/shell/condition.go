package shell

import (
	"fmt"
	"path"
)

// test evaluates the arguments of test(1) where POSIX says what they mean.
func (s *Shell) test(args []string) (int, error) {
	switch {
	case len(args) == 0:
		return 1, nil
	case len(args) == 1:
		return truth(args[0] != ""), nil
	case len(args) <= 4 && args[0] == "!" && !(len(args) == 3 && isBinary(args[1])):
		status, err := s.test(args[1:])
		return truth(status != 0), err
	case len(args) == 2:
		return s.unary(args[0], args[1])
	case len(args) == 3 && args[1] == "=":
		return truth(args[0] == args[2]), nil
	case len(args) == 3 && args[1] == "!=":
		return truth(args[0] != args[2]), nil
	}
	return 0, fmt.Errorf("condition %q: %w", args, ErrNeedsContainer)
}

func isBinary(op string) bool { return op == "=" || op == "!=" }

func (s *Shell) unary(op, arg string) (int, error) {
	switch op {
	case "-n":
		return truth(arg != ""), nil
	case "-z":
		return truth(arg == ""), nil
	case "-e", "-f", "-d":
		return s.exists(op, arg)
	}
	return 0, fmt.Errorf("condition %s: %w", op, ErrNeedsContainer)
}

func (s *Shell) exists(op, name string) (int, error) {
	if !path.IsAbs(name) {
		return 0, fmt.Errorf("relative path %q: %w", name, ErrNeedsContainer)
	}
	mode, err := s.files.Stat(name)
	switch {
	case isMissing(err):
		return 1, nil
	case err != nil:
		return 0, fmt.Errorf("%w: %w", err, ErrNeedsContainer)
	case op == "-d":
		return truth(mode.IsDir()), nil
	case op == "-f":
		return truth(mode.IsRegular()), nil
	}
	return 0, nil
}

// truth is the exit status of a condition.
func truth(ok bool) int {
	if ok {
		return 0
	}
	return 1
}
