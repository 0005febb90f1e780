package sifs

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/sif/layout"
	"github.com/sealift/sealift/image/sif/siffile"
)

// exitLayout is the exit code for an image with something wrong in its layout.
const exitLayout = 1

// wrong is an error with that exit code.
type wrong struct{ error }

func (w wrong) Unwrap() error { return w.error }

func (wrong) ExitCode() int { return exitLayout }

func layoutCommand(p *ui.Process) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "verify-layout [--json] IMAGE", Short: "Look for all that is wrong with the layout of an image", Args: operands(1),
		Long: `Look for all that is wrong with the layout of an image: offsets, sizes and
overlaps, ids and links, what the header says of the rest, and bytes that no
object holds, which no signature covers. An error makes programs refuse the
image, or read it differently; an image with warnings can be used.

Exit status: 0 nothing is wrong, 1 there are errors or warnings, 125 the image
cannot be looked at.`,
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := checkLayout(args[0])
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if asJSON {
				err = p.PrintJSON(r)
			} else {
				err = p.Print(findings(r))
			}
			if bad := r.Err(); err == nil && bad != nil {
				return wrong{fmt.Errorf("%s: %w", args[0], bad)}
			}
			return err
		},
	}
	c.Flags().BoolVarP(&asJSON, "json", "j", false, "as JSON: objects, free and findings, each with level, where and problem")
	return c
}

func checkLayout(path string) (*layout.Report, error) {
	f, err := siffile.Open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	var r *layout.Report
	if err == nil {
		r, err = layout.Check(f, st.Size())
	}
	return r, errors.Join(err, f.Close())
}

// findings is a table of them.
func findings(r *layout.Report) string {
	if len(r.Findings) == 0 {
		return fmt.Sprintf("nothing is wrong: %d in use, %d free\n", r.Objects, r.Free)
	}
	width := len("WHERE")
	for _, f := range r.Findings {
		width = max(width, len(f.Where))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-8s|%-*s |%s\n%s\n", "LEVEL", width, "WHERE", "PROBLEM", strings.Repeat("-", 78))
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-8s|%-*s |%s\n", f.Level, width, f.Where, f.Problem)
	}
	if r.More > 0 {
		fmt.Fprintf(&b, "and %d more\n", r.More)
	}
	return b.String()
}
