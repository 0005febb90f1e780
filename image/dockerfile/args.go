package dockerfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sealift/sealift/image/dockerfile/steps"
)

// predefined returns the arguments of the global scope that no ARG declares;
// a stage has them after an ARG that names them. Given ones take precedence.
func predefined(opt Options, target string) map[string]string {
	if target == "" {
		target = "default"
	}
	vars := map[string]string{"TARGETSTAGE": target}
	for prefix, p := range map[string]v1.Platform{"BUILD": opt.Build, "TARGET": opt.Platform} {
		vars[prefix+"PLATFORM"] = platform(p)
		vars[prefix+"OS"] = p.OS
		vars[prefix+"OSVERSION"] = p.OSVersion
		vars[prefix+"ARCH"] = p.Architecture
		vars[prefix+"VARIANT"] = p.Variant
	}
	for name := range vars {
		if given, ok := opt.Args[name]; ok {
			vars[name] = given
		}
	}
	return vars
}

// isProxy tells the arguments that every RUN gets without an ARG.
func isProxy(name string) bool {
	switch strings.ToLower(name) {
	case "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy":
		return true
	}
	return false
}

// proxies returns the proxies among the arguments in both spellings of their
// names, as programs look for either.
func proxies(args map[string]string) map[string]string {
	found := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if isProxy(name) {
			found[strings.ToLower(name)] = args[name]
			found[strings.ToUpper(name)] = args[name]
		}
	}
	return found
}

// declare describes an ARG: a given value is taken as it is, and so is one of
// the global scope that a bare name inherits.
func (r *Recipe) declare(c *instructions.ArgCommand) steps.Arg {
	var args steps.Arg
	for _, a := range c.Args {
		d := steps.Declaration{Name: a.Key}
		if given, ok := r.args[a.Key]; ok {
			d.Value, d.Set = given, true
		} else if a.Value != nil {
			d.Value, d.Set, d.Expand = *a.Value, true, true
		} else {
			d.Value, d.Set = r.globals[a.Key]
		}
		args = append(args, d)
	}
	return args
}

// unused returns the given arguments that nothing declares.
func (p *parsing) unused(declared map[string]bool) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(p.opt.Args)) {
		if _, ok := p.recipe.globals[name]; !ok && !declared[name] && !isProxy(name) {
			names = append(names, name)
		}
	}
	return names
}

// architectures maps the names of others to Go's, with variants.
var architectures = map[string][2]string{
	"x86_64": {"amd64"}, "x86-64": {"amd64"}, "aarch64": {"arm64"}, "i386": {"386"}, "armhf": {"arm", "v7"}, "armel": {"arm", "v6"},
}

// parsePlatform reads OS/ARCHITECTURE[/VARIANT], or one of the first two
// alone, and spells the architecture as image configurations do.
func parsePlatform(s string, target v1.Platform) (v1.Platform, error) {
	parts := strings.Split(strings.ToLower(s), "/")
	if len(parts) > 3 || slices.Contains(parts, "") {
		return v1.Platform{}, fmt.Errorf("platform %q; expected OS/ARCHITECTURE[/VARIANT]", s)
	}
	p := v1.Platform{OS: parts[0]}
	switch {
	case len(parts) > 1:
		p.Architecture = parts[1]
	case parts[0] == "linux":
		p.Architecture, p.Variant = target.Architecture, target.Variant
	default:
		p.OS, p.Architecture = "linux", parts[0]
	}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	if p.OS != "linux" {
		return v1.Platform{}, fmt.Errorf("platform %q; expected one of Linux", s)
	}
	if known, ok := architectures[p.Architecture]; ok {
		p.Architecture = known[0]
		if p.Variant == "" {
			p.Variant = known[1]
		}
	}
	if p.Architecture == "arm64" && p.Variant == "v8" {
		p.Variant = ""
	}
	return p, nil
}
