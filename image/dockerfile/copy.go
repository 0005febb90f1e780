package dockerfile

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/dockerfile/steps"
)

func convertCopy(c *instructions.CopyCommand, from steps.Origin, expanded bool) (steps.Instruction, error) {
	to := steps.Copy{
		From: from, Dest: c.DestPath, Chown: c.Chown, Chmod: c.Chmod, Link: c.Link, Parents: c.Parents, Exclude: c.ExcludePatterns,
	}
	for _, path := range c.SourcePaths {
		if isURL(path) || isGit(path) {
			return nil, hint.New(fmt.Sprintf("source %q of COPY; expected a path", path), "use ADD for a URL")
		}
		to.Sources = append(to.Sources, steps.Source{Path: path})
	}
	return finished(to, c.SourceContents, expanded)
}

func convertAdd(c *instructions.AddCommand, expanded bool) (steps.Instruction, error) {
	to := steps.Copy{
		Add: true, Dest: c.DestPath, Chown: c.Chown, Chmod: c.Chmod, Link: c.Link, Exclude: c.ExcludePatterns, Checksum: c.Checksum,
	}
	for _, path := range c.SourcePaths {
		source := steps.Source{Path: path, Unpack: true}
		if isGit(path) {
			return nil, hint.New(fmt.Sprintf("source %q is a Git repository; expected a path or the URL of a file", path),
				"clone it in a RUN instruction")
		}
		if isURL(path) {
			source = steps.Source{URL: path}
		}
		if c.Unpack != nil {
			source.Unpack = *c.Unpack
		}
		to.Sources = append(to.Sources, source)
	}
	if c.Checksum != "" && expanded && (len(to.Sources) != 1 || to.Sources[0].URL == "") {
		return nil, errors.New("--checksum without a URL as the only source")
	}
	return finished(to, c.SourceContents, expanded)
}

// finished adds the files that the Dockerfile holds and checks what is known.
func finished(c steps.Copy, held []instructions.SourceContent, expanded bool) (steps.Instruction, error) {
	for _, s := range held {
		c.Sources = append(c.Sources, steps.Source{Name: s.Path, Data: s.Data})
	}
	if (expanded || !strings.Contains(c.Chmod, "$")) && c.Chmod != "" && !mode().MatchString(c.Chmod) {
		return nil, fmt.Errorf("--chmod=%s; expected octal digits up to 7777 or a symbolic mode such as u=rwX,go=rX", c.Chmod)
	}
	return c, nil
}

// mode is what chmod(1) takes: octal digits, or clauses of who, operator and
// permissions.
var mode = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(0*[0-7]{1,4}|[ugoa]*([-+=]([rwxXst]*|[ugo]))+(,[ugoa]*([-+=]([rwxXst]*|[ugo]))+)*)$`)
})

func isURL(s string) bool { return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") }

// isGit tells the sources that ADD clones: those with a scheme of Git's own or
// user@host:, and URLs whose path ends with .git before any fragment.
func isGit(s string) bool {
	for _, scheme := range []string{"git://", "ssh://", "git@"} {
		if strings.HasPrefix(s, scheme) {
			return true
		}
	}
	path, _, _ := strings.Cut(s, "#")
	path, _, _ = strings.Cut(path, "?")
	return isURL(s) && strings.HasSuffix(path, ".git")
}
