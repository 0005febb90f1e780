package plan

import (
	"path"
	"slices"
	"strings"

	specs "tags.cncf.io/container-device-interface/specs-go"
)

// hooks interprets programs that other runtimes would run, and returns the links that
// they would make.
func (p *planner) hooks(hooks []*specs.Hook) (links []Link) {
	for _, h := range hooks {
		program, args := path.Base(h.Path), h.Args
		if len(args) > 0 {
			args = args[1:] // the program's own name
		}
		// The same program has been called nvidia-ctk hook.
		if len(args) > 0 && args[0] == "hook" {
			args = args[1:]
		}
		if !strings.HasPrefix(program, "nvidia-") || len(args) == 0 {
			p.note("hook %s is not run", h.Path)
			continue
		}
		switch name, args := args[0], args[1:]; name {
		case "create-symlinks":
			for _, v := range options(args, "--link") {
				if text, at, ok := strings.Cut(v, "::"); ok && absolute(at) {
					links = append(links, Link{path.Clean(at), text})
				}
			}
		case "update-ldcache":
			for _, dir := range options(args, "--folder") {
				if absolute(dir) && !slices.Contains(p.folders, path.Clean(dir)) {
					p.folders = append(p.folders, path.Clean(dir))
				}
			}
		case "enable-cuda-compat":
			if v := options(args, "--host-driver-version"); len(v) > 0 {
				p.compat = v[0]
			}
		case "update-application-profile":
			p.profile = true
		case "disable-device-node-modification", "chmod", "apply-cuda-memory-limits":
			// A container makes no nodes, and has no right to what the others do.
		default:
			p.note("hook %s %s is not known and not run", program, name)
		}
	}
	return links
}

// options returns the values of an option that may be given more than once.
func options(args []string, name string) (values []string) {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, name+"="); ok {
			values = append(values, value)
		} else if arg == name && i+1 < len(args) {
			values = append(values, args[i+1])
		}
	}
	return values
}
