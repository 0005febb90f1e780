package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/cmd/sealift/manual"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

// fake returns a process that prints into buffers.
func fake(environ ...string) (p *ui.Process, out, msg *bytes.Buffer) {
	out, msg = new(bytes.Buffer), new(bytes.Buffer)
	return &ui.Process{Terminal: ui.Terminal{Out: out, Err: msg}, Name: "sealift", Environ: environ, Cwd: "/w"}, out, msg
}

func TestVersionByName(t *testing.T) {
	for _, c := range []struct{ name, arg, want string }{
		{"sealift", "--version", "sealift version " + buildcfg.Version},
		{"sealift", "version", buildcfg.Version},
		{"renamed", "--version", "sealift version " + buildcfg.Version},
		{"apptainer", "--version", "apptainer version 1.5.3+sealift\n"},
		{"apptainer", "version", "1.5.3+sealift\n"},
		{"singularity", "--version", "apptainer version 1.5.3+sealift\n"},
		{"singularity", "version", "1.5.3+sealift\n"},
	} {
		p, out, _ := fake()
		p.Name, p.Args = c.name, []string{c.arg}
		if code := run(p); code != 0 || !strings.HasPrefix(out.String(), c.want) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%s %s: code %d, %q", c.name, c.arg, code, out)
		}
	}
}

func TestVersion(t *testing.T) {
	p, out, _ := fake()
	p.Args = []string{"--version"}
	if code := run(p); code != 0 || !strings.HasPrefix(out.String(), "sealift version ") {
		t.Errorf("%d %q", code, out.String())
	}
}

func TestMistakes(t *testing.T) {
	for args, want := range map[string]string{
		"exce":             `unknown command "exce"` + "\nsealift: hint: did you mean exec? See 'sealift --help'\n",
		"nonsense":         "hint: see 'sealift --help'",
		"inspect a b":      `unexpected operand "b"`,
		"build a b c":      `unexpected operand "c"`,
		"-x":               "unknown shorthand flag: 'x'",
		"exec -q -v a b":   "unknown shorthand flag: 'v'",
		"exec --pid=x a b": `invalid argument "x"`,
	} {
		p, _, msg := fake()
		p.Args = strings.Fields(args)
		if code := run(p); code != 125 || !strings.Contains(msg.String(), want) || !strings.Contains(msg.String(), "hint: ") {
			t.Errorf("%s: code %d, %q", args, code, msg)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range []string{"exec", "exec x", "run", "build x", "inspect", "run-help", "run-help a b", "nonsense", "exec --nonsense x y",
		"image nonsense", "sif nonsense", "sif list", "sif info 1", "image ls", "image cat x", "image pack x", "image pack x y z", "image unpack x", "image pack --block-size 5Q x y"} {
		p, _, msg := fake()
		p.Args = strings.Fields(args)
		if code := run(p); code != 125 || !strings.HasPrefix(msg.String(), "sealift: error: ") || strings.Count(msg.String(), "error:") != 1 {
			t.Errorf("%s: code %d, %q", args, code, msg.String())
		}
	}
}

// TestGlobalFlags are those that callers of the peers give, and their variables.
func TestGlobalFlags(t *testing.T) {
	for args, want := range map[string]ui.Terminal{
		"": {}, "--quiet --silent": {Quiet: true, Silent: true}, "-q": {Quiet: true}, "-s": {Silent: true},
		"-v": {Verbose: true}, "--verbose": {Verbose: true}, "-d": {Debug: true}, "--debug": {Debug: true}, "--nocolor": {NoColor: true},
		"-sqdv":             {Quiet: true, Silent: true, Verbose: true, Debug: true},
		"APPTAINER_DEBUG=1": {Debug: true}, "SINGULARITY_VERBOSE=1": {Verbose: true}, "SEALIFT_QUIET=1": {Quiet: true},
		"APPTAINER_SILENT=true": {Silent: true}, "APPTAINER_NOCOLOR=1": {NoColor: true}, "SEALIFT_SILENT=1 --silent=false": {},
	} {
		p, out, msg := fake()
		for _, arg := range strings.Fields(args) {
			if strings.HasPrefix(arg, "-") {
				p.Args = append(p.Args, arg)
			} else {
				p.Environ = append(p.Environ, arg)
			}
		}
		p.Args = append(p.Args, "version")
		code := run(p)
		want.Out, want.Err = p.Out, p.Err
		if code != 0 || p.Terminal != want || out.String() != buildcfg.Version+"\n" || msg.Len() > 0 {
			t.Errorf("%s: code %d, %+v, %q, %q", args, code, p.Terminal, out, msg)
		}
	}
	p, _, msg := fake("SEALIFT_QUIET=yes")
	if code := run(p); code != 125 || !strings.Contains(msg.String(), "hint: unset SEALIFT_QUIET") {
		t.Errorf("code %d, %q", code, msg)
	}
}

func TestHelp(t *testing.T) {
	p, _, _ := fake()
	describes(t, command(p).Commands())
	for _, c := range command(p).Commands() {
		if (c.GroupID == "") != c.IsAdditionalHelpTopicCommand() {
			t.Errorf("%s is in the group %q", c.Name(), c.GroupID)
		}
	}
}

// TestHelpTexts prints every help once. Only words that are not to be broken are longer
// than a line, and those in the columns that the table of commands has.
func TestHelpTexts(t *testing.T) {
	p, _, _ := fake()
	texts := map[string]string{}
	for _, page := range manual.Pages(command(p), "", time.Time{}) {
		args := strings.Split(strings.TrimSuffix(page.Name, ".1"), "-")
		p, out, msg := fake()
		p.Args = append([]string{"help"}, args[1:]...)
		if page.Name == "sealift-run-help.1" || page.Name == "sealift-sif-verify-layout.1" || page.Name == "sealift-remote-get-login-password.1" {
			continue // a name with a hyphen
		}
		if code := run(p); code != 0 || out.Len() == 0 || msg.Len() > 0 {
			t.Errorf("%q: code %d, %q", p.Args, code, msg)
		}
		texts[page.Name] = out.String()
		for line := range strings.Lines(out.String()) {
			if len([]rune(line)) > 101 {
				t.Errorf("%q: %s", p.Args, line)
			}
		}
	}
	for _, want := range []string{
		"\nContainers:\n  exec ", "\nImages:\n  build ", "\nSealift itself:\n  cache ", "\n  version     Print the version\n", "\nTopics:\n  trust ",
		"\nUsage:\n  sealift [flags] COMMAND [ARG...]\n", "'sealift help COMMAND' tells more of a command.\n",
	} {
		if !strings.Contains(texts["sealift.1"], want) {
			t.Errorf("no %q in %s", want, texts["sealift.1"])
		}
	}
	if strings.Contains(texts["sealift.1"], "Other commands") || strings.Contains(texts["sealift-trust.1"], "Usage:") {
		t.Error(texts["sealift.1"], texts["sealift-trust.1"])
	}
}

func describes(t *testing.T, commands []*cobra.Command) {
	t.Helper()
	for _, c := range commands {
		if c.Short == "" {
			t.Errorf("%s has no description", c.CommandPath())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s has no description", c.CommandPath(), f.Name)
			}
		})
		for line := range strings.Lines(c.Long) {
			if len(line) > 81 {
				t.Errorf("%s: a line of its help has %d characters: %s", c.CommandPath(), len(line)-1, line)
			}
		}
		describes(t, c.Commands())
	}
}

// variables are the flags of Apptainer 1.5's action commands and the variables that
// set them, of which the first is in the help.
const variables = `
app APP APPNAME
bind BIND BINDPATH
mount MOUNT
home HOME
overlay OVERLAY OVERLAYIMAGE
scratch SCRATCH SCRATCHDIR
workdir WORKDIR
cwd CWD TARGET_CWD
pwd PWD TARGET_PWD
hostname HOSTNAME
net NET UNSHARE_NET
network NETWORK
network-args NETWORK_ARGS
netns-path NETNS_PATH
dns DNS
security SECURITY
add-caps ADD_CAPS
drop-caps DROP_CAPS
keep-privs KEEP_PRIVS
no-privs NO_PRIVS
allow-setuid ALLOW_SETUID
fakeroot FAKEROOT
userns USERNS UNSHARE_USERNS
pid PID UNSHARE_PID
no-pid NO_PID
ipc IPC UNSHARE_IPC
uts UTS UNSHARE_UTS
no-init NOSHIMINIT
sharens SHARENS
cleanenv CLEANENV
env-file ENV_FILE
no-env NOENV
no-eval NO_EVAL
contain CONTAIN
containall CONTAINALL
compat COMPAT
writable WRITABLE
writable-tmpfs WRITABLE_TMPFS
no-home NO_HOME
no-mount NO_MOUNT
no-umask NO_UMASK
unsquash UNSQUASH
disable-cache DISABLE_CACHE
tmpdir TMPDIR
no-https NOHTTPS NO_HTTPS
authfile AUTHFILE AUTH_FILE
docker-login DOCKER_LOGIN
docker-host DOCKER_HOST
docker-username DOCKER_USERNAME
docker-password DOCKER_PASSWORD
boot BOOT
dmtcp-launch DMTCP_LAUNCH
dmtcp-restart DMTCP_RESTART
containlibs CONTAINLIBS
ignore-subuid IGNORE_SUBUID
ignore-userns IGNORE_USERNS
host-cmd HOST_CMD
mpi MPI
`

// TestVariables: each flag is set by its variables, by every command.
func TestVariables(t *testing.T) {
	for n, name := range []string{"exec", "run", "shell", "test"} {
		for line := range strings.Lines(strings.TrimSpace(variables)) {
			words := strings.Fields(line)
			for i, key := range words[1:] {
				prefix := []string{"SEALIFT_", "APPTAINER_", "SINGULARITY_"}[(n+i)%3]
				if !changes(t, name, prefix+key+"=1", words[0]) && !changes(t, name, prefix+key+"=0", words[0]) {
					t.Errorf("%s: %s%s does not set --%s", name, prefix, key, words[0])
				}
			}
		}
	}
}

// changes says whether a variable changes the value of a flag of a command, or is
// answered as the flag would be.
func changes(t *testing.T, name, variable, flag string) bool {
	t.Helper()
	p, _, answer := fake(variable)
	c, _, err := command(p).Find([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	flags := c.Flags()
	before := flags.Lookup(flag).Value.String()
	if err := p.FromEnvironment(flags); err != nil {
		t.Errorf("%s: %v", variable, err)
	}
	refused := p.CheckRefused(flags)
	return flags.Lookup(flag).Value.String() != before || refused != nil || strings.Contains(answer.String(), "--"+flag)
}
