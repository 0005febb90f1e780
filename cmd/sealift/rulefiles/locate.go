package rulefiles

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Locate returns where an open file is, or was before its name was taken from it:
// proc_pid_fd(5). What is at that path for others, such as in another mount
// namespace, may be another file here, which the rules for the path do not mean.
func Locate(f *os.File) (string, error) {
	for range 3 { // it may be renamed meanwhile
		path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		switch before, gone := strings.CutSuffix(path, " (deleted)"); {
		case err != nil:
			return "", err
		case !filepath.IsAbs(path):
			return "", fmt.Errorf("%s is out of reach", path)
		case isAt(f, path):
			return path, nil
		case gone:
			return before, nil
		}
	}
	return "", hint.New(fmt.Sprintf("%s is not at the path that it was opened by", filepath.Base(f.Name())),
		"copy it to a place that can be seen from here; rules for paths cannot be applied to it")
}

func isAt(f *os.File, path string) bool {
	st, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(st, there)
}

// Resolve returns a path without symbolic links, or nothing if it is not there.
func Resolve(path string) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	return real
}
