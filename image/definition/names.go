package definition

import (
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// keywords are the header keywords of the grammar; otherurl takes a number as
// well. Case does not matter. Which of them an agent uses is image/build's
// matter.
var keywords = []string{
	"Bootstrap", "From", "Stage", "Registry", "Namespace", "Library", "Fingerprints",
	"Include", "MirrorURL", "UpdateURL", "OtherURL", "OSVersion", "ConfURL", "Setopt",
	"Product", "User", "RegCode", "ProductPGP", "RegisterURL", "Modules",
	"Frontend", "Filename", "Target", "BuildArgs",
}

// knownKeyword reports whether key, in lower case, is in the table, or is
// otherurl with a number of one or two digits.
func knownKeyword(key string) bool {
	if digits, ok := strings.CutPrefix(key, "otherurl"); ok {
		return len(digits) <= 2 && strings.Trim(digits, "0123456789") == ""
	}
	return slices.ContainsFunc(keywords, func(known string) bool { return strings.EqualFold(known, key) })
}

// sections are the sections of a stage.
var sections = []string{
	"arguments", "pre", "setup", "files", "post", "environment",
	"runscript", "startscript", "test", "labels", "help",
}

// appSections are the sections of an application of the Scientific
// Filesystem, which is named after the section's name.
var appSections = []string{
	"appinstall", "appfiles", "appenv", "applabels", "apphelp", "apprun", "appstart", "apptest",
}

// agents are the values of Bootstrap, each with the keywords that it cannot do
// without.
var agents = []struct {
	name  string
	needs []string
}{
	{"docker", []string{"From"}},
	{"docker-archive", []string{"From"}},
	{"docker-daemon", []string{"From"}},
	{"oci", []string{"From"}},
	{"oci-archive", []string{"From"}},
	{"library", []string{"From"}},
	{"oras", []string{"From"}},
	{"shub", []string{"From"}},
	{"http", []string{"From"}},
	{"https", []string{"From"}},
	{"localimage", []string{"From"}},
	{"scratch", nil},
	{"yum", []string{"MirrorURL"}},
	{"dnf", []string{"MirrorURL"}},
	{"debootstrap", []string{"OSVersion"}},
	{"arch", nil},
	{"zypper", nil},
	{"busybox", []string{"MirrorURL"}},
	{"buildkit", []string{"From"}},
	{"dockerfile", []string{"From"}},
}

// Agent returns a stage's agent in lower case. An agent that no builder has,
// or that lacks a header, is an error.
func (r *Recipe) Agent(s *Stage) (string, error) {
	h, _ := s.Header("bootstrap")
	agent := strings.ToLower(h.Value)
	var names []string
	for _, a := range agents {
		names = append(names, a.name)
		if from, ok := strings.CutPrefix(agent, a.name+":"); ok {
			return "", hint.Wrap(r.ErrorAt(h.Line, h.Column, "agent %q with a source; expected the agent alone", brief(h.Value)),
				"write %q, and below it %q", "Bootstrap: "+a.name, "From: "+brief(strings.TrimPrefix(from, "//")))
		}
		if a.name != agent {
			continue
		}
		for _, word := range a.needs {
			if _, ok := s.Header(strings.ToLower(word)); !ok {
				return "", hint.Wrap(r.ErrorAt(h.Line, h.Column, "agent %s without the header %s; expected it in the same stage", agent, word),
					"add a line %q below it", word+": …")
			}
		}
		return agent, nil
	}
	err := r.ErrorAt(h.Line, h.Column, "unknown agent %q; expected a known one", brief(h.Value))
	return "", withKnown(err, "agents", "", h.Value, names)
}
