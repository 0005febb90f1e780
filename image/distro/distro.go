// Package distro knows how the tools of distributions make a root file system:
// debootstrap(8), dnf(8), zypper(8), pacman(8), and BusyBox.
//
// Input: an agent with the keywords of its header, what the host has, and where
// the root is. Output: files for the tools, and command lines. It is pure: the
// host is looked at through a file system, and nothing is started.
//
// The commands are for the root user of a namespace in which the host's own
// files are seen, read-only or not, with the new root mounted among them. One id
// is enough there: what takes more is emulated (starter/rootemu). So no command
// mounts what such a namespace does not allow, like sysfs or devtmpfs.
package distro

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Request is what a definition asks for.
type Request struct {
	// Agent is one of Agents.
	Agent string
	// Keywords are the values of the header, by keyword in lower case.
	Keywords map[string]string
	// Arch is the architecture by Go's name: amd64, arm64.
	Arch string
	// Root is the absolute path of the directory that the new root is mounted
	// on. Dir is that of an empty one for files that are no part of it.
	Root, Dir string
}

// Host is where the tools run.
type Host struct {
	// Files is the file tree, rooted at /. It follows symbolic links.
	Files fs.FS
	// Environ is the caller's environment, NAME=value. PATH counts, GPG and
	// INCLUDE as for Apptainer, and the variables that name proxies.
	Environ []string
}

// Bootstrap makes a root file system.
type Bootstrap struct {
	// Downloads and Files are to be in Request.Dir before the script runs.
	Downloads []Download
	Files     []File
	Commands  []Command
	// Env is the whole environment of the commands, NAME=value.
	Env []string
	// Notes are remarks for the user, one line each.
	Notes []string
}

// File is a small file of Request.Dir, readable by all.
type File struct{ Name, Text string }

// Download is a file of Request.Dir whose content comes from a URL, of http,
// https or file.
type Download struct{ Name, URL string }

// Command is a command line. Its first word is an absolute path, or a name that
// every host has in its PATH.
type Command struct {
	Args []string
	// Accept is an exit status besides 0 that is no failure, or 0 for none.
	Accept int
}

// Agents are the values of Bootstrap that Compute knows.
func Agents() []string { return []string{"debootstrap", "yum", "dnf", "zypper", "arch", "busybox"} }

// Compute returns what it takes to do r. Errors carry a hint: a keyword is
// missing, or a tool is.
func Compute(r Request, h Host) (*Bootstrap, error) {
	if !path.IsAbs(r.Root) || !path.IsAbs(r.Dir) {
		return nil, hint.New(fmt.Sprintf("cannot make a root file system in %q with files in %q", r.Root, r.Dir), "give absolute paths")
	}
	p := &planner{Request: r, host: h}
	p.Root, p.Dir = path.Clean(r.Root), path.Clean(r.Dir)
	var err error
	switch r.Agent {
	case "debootstrap":
		err = p.debootstrap()
	case "yum", "dnf":
		err = p.dnf()
	case "zypper":
		err = p.zypper()
	case "arch":
		err = p.pacman()
	case "busybox":
		err = p.busybox()
	default:
		err = hint.New(fmt.Sprintf("no distribution's tool is behind the agent %q", r.Agent), "use one of %s", strings.Join(Agents(), ", "))
	}
	if err != nil {
		return nil, err
	}
	p.out.Env = p.environment()
	return &p.out, nil
}

// Script returns the commands as a script for sh(1), which ends with the first
// that fails.
func (b *Bootstrap) Script() string {
	var s strings.Builder
	s.WriteString("set -e\n")
	for _, c := range b.Commands {
		words := make([]string, len(c.Args))
		for i, a := range c.Args {
			words[i] = quote(a)
		}
		s.WriteString(strings.Join(words, " "))
		if c.Accept != 0 {
			fmt.Fprintf(&s, " || [ $? -eq %d ]", c.Accept)
		}
		s.WriteByte('\n')
	}
	return s.String()
}

// plain are the bytes that mean nothing to a shell.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@%+"

// quote returns word as a shell reads it.
func quote(word string) string {
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// planner collects a Bootstrap.
type planner struct {
	Request
	host Host
	out  Bootstrap
}

// run appends a command.
func (p *planner) run(args ...string) {
	p.out.Commands = append(p.out.Commands, Command{Args: args})
}

// file adds a file and returns its path.
func (p *planner) file(name, text string) string {
	p.out.Files = append(p.out.Files, File{name, text})
	return path.Join(p.Dir, name)
}

// download adds a download and returns its path.
func (p *planner) download(name, url string) string {
	p.out.Downloads = append(p.out.Downloads, Download{name, url})
	return path.Join(p.Dir, name)
}

func (p *planner) note(format string, args ...any) {
	p.out.Notes = append(p.out.Notes, fmt.Sprintf(format, args...))
}

// in returns the path of a file in the new root.
func (p *planner) in(name string) string { return path.Join(p.Root, name) }

// devices are what the scripts of packages need in another root directory, with
// their numbers (admin-guide/devices.txt of the kernel).
func devices() [][3]string {
	return [][3]string{{"null", "1", "3"}, {"zero", "1", "5"}, {"full", "1", "7"}, {"random", "1", "8"}, {"urandom", "1", "9"}, {"tty", "5", "0"}}
}

// makeDevices makes /dev for tools that leave it empty: a script that writes to
// /dev/null would make it a file.
func (p *planner) makeDevices() {
	p.run("mkdir", "-p", p.in("dev"))
	for _, d := range devices() {
		p.run("mknod", "-m", "666", p.in("dev/"+d[0]), "c", d[1], d[2])
	}
}

// include returns the packages of the header and of the environment.
func (p *planner) include() []string {
	value := strings.ReplaceAll(p.Keywords["include"], ",", " ") + " " + p.getenv("INCLUDE")
	var names []string
	for name := range strings.FieldsSeq(value) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
