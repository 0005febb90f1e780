package manual

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/cmd/sealift/ui"
)

// Commands returns completion, and share, which make install uses.
func Commands(p *ui.Process) []*cobra.Command {
	return []*cobra.Command{completionCommand(p), shareCommand(p)}
}

// shells are those that completions are for, in the order of help.
var shells = []string{"bash", "zsh", "fish"}

func completionCommand(p *ui.Process) *cobra.Command {
	return &cobra.Command{
		Use: "completion [flags] SHELL", Short: "Print a script with which a shell completes command lines",
		Long: `Print a script with which SHELL, one of bash, zsh and fish, completes commands
and flags. An installed Sealift has these scripts where the shells look for
them; elsewhere, a shell that is running learns it from the first example, zsh
and fish from the others.`,
		Example: fmt.Sprintf(`  source <(%[1]s completion bash)
  %[1]s completion zsh >~/.zfunc/_%[1]s
  %[1]s completion fish >~/.config/fish/completions/%[1]s.fish`, p.Name),
		Args: cobra.MatchAll(ui.AtLeast(1), ui.AtMost(1)), ValidArgs: shells,
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(shells, args[0]) {
				return hint.New(fmt.Sprintf("there is no completion for %s", args[0]), "use one of %q", shells)
			}
			return p.Buffered(func(w io.Writer) error { return complete(c.Root(), args[0], w) })
		},
	}
}

func complete(root *cobra.Command, shell string, w io.Writer) error {
	switch shell {
	case "zsh":
		return root.GenZshCompletion(w)
	case "fish":
		return root.GenFishCompletion(w, true)
	}
	return root.GenBashCompletionV2(w, true)
}

// shareCommand returns what make install calls.
func shareCommand(p *ui.Process) *cobra.Command {
	return &cobra.Command{
		Use: "share [flags] DIRECTORY NAME...", Short: "Write manual pages and completions", Hidden: true,
		Long: `Write what DIRECTORY, such as /usr/share, has of Sealift: the manual pages of
all commands, and completions for each NAME that it is called by. The pages are
of the date that SOURCE_DATE_EPOCH says, and of none without it.`,
		Args: ui.AtLeast(2),
		RunE: func(c *cobra.Command, args []string) error {
			now, fixed, err := p.BuildTime()
			if err != nil {
				return err
			}
			if !fixed {
				now = time.Time{}
			}
			files := map[string][]byte{}
			for _, page := range Pages(c.Root(), "Sealift "+buildcfg.Version, now) {
				files["man/man1/"+page.Name] = []byte(page.Text)
			}
			if err := addCompletions(files, c.Root(), args[1:]); err != nil {
				return err
			}
			return write(args[0], files)
		},
	}
}

// addCompletions adds the completions for programs of these names.
func addCompletions(files map[string][]byte, root *cobra.Command, names []string) error {
	defer func(use string) { root.Use = use }(root.Use)
	for _, name := range names {
		root.Use = name
		for shell, path := range map[string]string{
			"bash": "bash-completion/completions/" + name, "zsh": "zsh/site-functions/_" + name,
			"fish": "fish/vendor_completions.d/" + name + ".fish",
		} {
			var b bytes.Buffer
			if err := complete(root, shell, &b); err != nil {
				return err
			}
			files[path] = b.Bytes()
		}
	}
	return nil
}

// write writes files below a directory, by their paths there.
func write(dir string, files map[string][]byte) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
