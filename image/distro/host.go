package distro

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// getenv returns the last value of a variable of the caller's.
func (p *planner) getenv(name string) string {
	value := ""
	for _, e := range p.host.Environ {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

// passed are the variables of the caller's that reach the tools.
var passed = []string{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy", "SOURCE_DATE_EPOCH"}

// environment is that of the tools. HOME keeps the caller's own settings out,
// and their files out of the caller's home directory.
func (p *planner) environment() []string {
	env := []string{
		"PATH=" + strings.Join(p.searchPath(), ":"), "HOME=" + p.Dir, "TMPDIR=" + p.Dir, "LC_ALL=C.UTF-8",
		"DEBIAN_FRONTEND=noninteractive",
	}
	for _, e := range p.host.Environ {
		name, _, _ := strings.Cut(e, "=")
		if slices.Contains(passed, name) || slices.Contains(passed, strings.ToLower(name)) {
			env = append(env, e)
		}
	}
	return env
}

// searchPath is the caller's PATH with the directories that only root has there.
func (p *planner) searchPath() []string {
	var dirs []string
	for _, dir := range append(strings.Split(p.getenv("PATH"), ":"), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin") {
		if path.IsAbs(dir) && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// find returns the path of a program, or nothing.
func (p *planner) find(name string) string {
	for _, dir := range p.searchPath() {
		file := path.Join(dir, name)
		info, err := fs.Stat(p.host.Files, relative(file))
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return file
		}
	}
	return ""
}

// need is find for the first of names that is there, or an error with what to
// install.
func (p *planner) need(names ...string) (string, error) {
	for _, name := range names {
		if file := p.find(name); file != "" {
			return file, nil
		}
	}
	what := strings.Join(names, " or ")
	return "", hint.New(fmt.Sprintf("agent %s needs %s, which is not in your PATH", p.Agent, what), "%s", p.remedy(names[0]))
}

// exists says whether the host has a file.
func (p *planner) exists(name string) bool {
	_, err := fs.Stat(p.host.Files, relative(name))
	return err == nil
}

// read returns the text of a file of the host, or nothing.
func (p *planner) read(name string) string {
	text, err := fs.ReadFile(p.host.Files, relative(name))
	if err != nil {
		return ""
	}
	return string(text)
}

// relative is an absolute path as a file system names it.
func relative(name string) string { return strings.TrimPrefix(name, "/") }

// installers are how the families of distributions install a package, by the
// ids of os-release(5).
var installers = []struct{ id, command string }{
	{"debian", "apt-get install"}, {"ubuntu", "apt-get install"}, {"fedora", "dnf install"}, {"rhel", "dnf install"},
	{"centos", "dnf install"}, {"suse", "zypper install"}, {"opensuse", "zypper install"}, {"arch", "pacman -S"},
	{"alpine", "apk add"},
}

// packages are where a program is in a package of another name, by the id of
// the distribution.
var packages = map[string]map[string]string{
	"pacman":     {"debian": "pacman-package-manager", "ubuntu": "pacman-package-manager"},
	"pacman-key": {"debian": "pacman-package-manager", "ubuntu": "pacman-package-manager", "": "pacman"},
	"rpmkeys":    {"": "rpm"},
	// SUSEConnect itself is of the releases before 15.4.
	"SUSEConnect": {"": "suseconnect-ng"},
}

// remedy says how to get a program here.
func (p *planner) remedy(program string) string {
	release := parseRelease(p.read("/etc/os-release"))
	for _, id := range append([]string{release["ID"]}, strings.Fields(release["ID_LIKE"])...) {
		for _, i := range installers {
			if i.id == id {
				return fmt.Sprintf("install it: %s %s", i.command, packageOf(program, id))
			}
		}
	}
	return fmt.Sprintf("install the package %s of your distribution", packageOf(program, ""))
}

func packageOf(program, id string) string {
	for _, key := range []string{id, ""} {
		if name := packages[program][key]; name != "" {
			return name
		}
	}
	return program
}

// parseRelease reads os-release(5).
func parseRelease(text string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") {
			values[name] = strings.Trim(value, `"'`)
		}
	}
	return values
}
