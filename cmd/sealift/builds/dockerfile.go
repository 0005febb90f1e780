package builds

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/paths"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/build"
	"github.com/sealift/sealift/image/build/fromdocker"
	"github.com/sealift/sealift/image/dockerfile"
)

// dockerFlags are the flags for Dockerfiles.
type dockerFlags struct {
	file, target, context string
	secrets               []string
}

func (d *dockerFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&d.file, "file", "", "build from this Dockerfile, whatever its `name`")
	flags.StringVar(&d.target, "target", "", "build this `stage` of a Dockerfile, by name or number, instead of the last")
	flags.StringVar(&d.context, "context", "", "`directory` that COPY and ADD copy from, instead of the Dockerfile's")
	flags.StringArrayVar(&d.secrets, "secret", nil, "secret for RUN --mount=type=secret: `id=NAME,src=FILE` or id=NAME,env=VARIABLE")
}

// source returns what to build from, given the arguments after the output.
func (d *dockerFlags) source(args []string) (string, error) {
	switch {
	case len(args) == 1 && d.file != "":
		return "", hint.New("both --file and a source", "name one of them")
	case len(args) == 1:
		return args[0], nil
	case d.file == "":
		return "", hint.New("no source", "name a definition file, a Dockerfile or an image after the output")
	}
	return d.file, nil
}

// isDockerfile tells a Dockerfile: it is named so, or begins as only a Dockerfile does.
func (d *dockerFlags) isDockerfile(source string) bool {
	if d.file != "" {
		return true
	}
	if isDockerfileName(source) {
		return !paths.IsImage(source)
	}
	if info, err := os.Stat(source); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(source)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, err := readUpTo(f, head)
	return err == nil && beginsAsDockerfile(string(head[:n]))
}

// isDockerfileName tells the names that Dockerfiles have: Dockerfile, with
// something before or after a dot, or the same of Containerfile.
func isDockerfileName(name string) bool {
	name = strings.ToLower(filepath.Base(name))
	for _, known := range []string{"dockerfile", "containerfile"} {
		if name == known || strings.HasPrefix(name, known+".") || strings.HasSuffix(name, "."+known) {
			return true
		}
	}
	return false
}

// beginsAsDockerfile tells a file by its first line that is no comment: FROM or
// ARG, and no header of a definition such as "From: image".
func beginsAsDockerfile(text string) bool {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		return len(words) > 1 && (strings.EqualFold(words[0], "FROM") || strings.EqualFold(words[0], "ARG"))
	}
	return false
}

// unused refuses flags that a definition or an image has no use for.
func (d *dockerFlags) unused() error {
	if d.target == "" && d.context == "" && len(d.secrets) == 0 {
		return nil
	}
	return hint.New("--target, --context and --secret are for Dockerfiles", "name the Dockerfile with --file, or leave the flags out")
}

// fromDockerfile returns the steps that build a Dockerfile.
func (b *buildFlags) fromDockerfile(p *ui.Process, source string, h build.Host) ([]build.Step, error) {
	if b.Update || len(b.Sections) != 1 || b.Sections[0] != "all" {
		return nil, hint.New("--update and --section are for definition files", "build the whole Dockerfile")
	}
	text, err := readDockerfile(source)
	if err != nil {
		return nil, err
	}
	r, err := dockerfile.Parse(source, text, dockerfile.Options{
		Args: b.Arguments, Target: b.docker.target,
		Platform: dockerfile.Platform{OS: "linux", Architecture: h.Arch, Variant: h.Variant},
		Build:    dockerfile.Platform{OS: "linux", Architecture: runtime.GOARCH},
	})
	if err != nil {
		return nil, err
	}
	if len(r.Unused) > 0 {
		p.Warn("no ARG takes --build-arg %s", strings.Join(r.Unused, ", "))
	}
	in := fromdocker.Input{Text: string(text)}
	path := absolute(p.Cwd, source)
	dir := filepath.Dir(path)
	if b.docker.context != "" {
		dir = absolute(p.Cwd, b.docker.context)
	}
	if in.Context, err = fromdocker.OpenContext(dir, path); err != nil {
		return nil, err
	}
	if in.Secrets, err = secrets(b.docker.secrets, p); err != nil {
		return nil, err
	}
	return fromdocker.Compute(r, in, h, b.Options)
}

func absolute(dir, name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(dir, name)
}

func readDockerfile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, sourceError(name, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, dockerfile.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return text, nil
}

// secrets returns what reads the secrets of values of --secret.
func secrets(values []string, p *ui.Process) (map[string]func() ([]byte, error), error) {
	found := map[string]func() ([]byte, error){}
	for _, value := range values {
		fields := map[string]string{}
		for field := range strings.SplitSeq(value, ",") {
			name, v, _ := strings.Cut(field, "=")
			if name == "source" {
				name = "src"
			}
			if !slices.Contains([]string{"type", "id", "src", "env"}, name) {
				return nil, badSecret(value, fmt.Sprintf("unknown field %q", name))
			}
			fields[name] = v
		}
		id, file, variable := fields["id"], fields["src"], fields["env"]
		if id == "" || file != "" && variable != "" {
			return nil, badSecret(value, "no id, or two sources")
		}
		if file == "" && variable == "" {
			variable = id
		}
		found[id] = func() ([]byte, error) {
			if file != "" {
				return os.ReadFile(absolute(p.Cwd, file))
			}
			if v := p.Variable(variable); v != "" {
				return []byte(v), nil
			}
			return nil, hint.New(fmt.Sprintf("the environment variable %s is not set", variable), "set it, or give the secret with --secret id=%s,src=FILE", id)
		}
	}
	return found, nil
}

func badSecret(value, why string) error {
	return hint.New("--secret "+value+": "+why, "write --secret id=NAME,src=FILE or --secret id=NAME,env=VARIABLE")
}
