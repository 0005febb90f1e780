// Package ignore tells which files of a directory are in the context of a
// Dockerfile's build.
//
// Input: the text of a .dockerignore file. Output: a matcher of paths. It is
// pure: it opens no file and walks no directory.
package ignore

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"sync"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/sealift/sealift/buildcfg/hint"
)

// maxSize is the largest ignore file accepted, in bytes.
const maxSize = 1 << 20

// Names returns the names of the file that says what a context leaves
// out, the first of which that exists counts: the one beside the Dockerfile of
// the given path, and the one at the root of the context.
func Names(dockerfile string) (beside, root string) {
	return dockerfile + ".dockerignore", ".dockerignore"
}

// Context returns the matcher of an ignore file, which errors call name. The
// matcher tells whether a path of the context, relative to its root and with
// slashes, belongs to it. A directory that does not belong is still reported
// where an exception (a pattern with "!") may bring back what is in it, so a
// walk may skip every directory that is not reported. The matcher may be
// called concurrently.
//
// The rules are Docker's, docs.docker.com/build/concepts/context: the last
// pattern that matches a path or a directory above it decides.
func Context(name string, text []byte) (func(path string, dir bool) bool, error) {
	if len(text) > maxSize {
		return nil, fmt.Errorf("%s: ignore file of %d bytes; expected at most %d", name, len(text), maxSize)
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err == nil {
		err = tried(matcher)
	}
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("%s: %w", name, err), "write one pattern a line, an exception as !pattern")
	}
	// The matcher compiles its patterns as it needs them.
	var one sync.Mutex
	return func(p string, dir bool) bool {
		one.Lock()
		defer one.Unlock()
		p = path.Clean(p)
		if p == "." {
			return true
		}
		ignored, err := matcher.MatchesOrParentMatches(p)
		return err != nil || !ignored || dir && returns(matcher, p)
	}, nil
}

// tried compiles every pattern, so that no match can fail.
func tried(matcher *patternmatcher.PatternMatcher) error {
	for _, pattern := range matcher.Patterns() {
		alone, err := patternmatcher.New([]string{pattern.String()})
		if err == nil {
			_, err = alone.MatchesOrParentMatches("x")
		}
		if err != nil {
			return fmt.Errorf("pattern %q: %w", pattern, err)
		}
	}
	return nil
}

// returns tells whether an exception may match something in a directory: each
// part of it that has a counterpart in the directory's path matches that.
func returns(matcher *patternmatcher.PatternMatcher, dir string) bool {
	parts := strings.Split(dir, "/")
	for _, pattern := range matcher.Patterns() {
		if pattern.Exclusion() && within(strings.Split(pattern.String(), "/"), parts) {
			return true
		}
	}
	return false
}

func within(pattern, dir []string) bool {
	for i, part := range pattern {
		if strings.Contains(part, "**") || i == len(dir) {
			return true
		}
		if ok, err := path.Match(part, dir[i]); err == nil && !ok {
			return false
		}
	}
	return false
}
