package doctors

import (
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/paths"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image"
	"github.com/sealift/sealift/runtime/doctor/mpi"
	"github.com/sealift/sealift/runtime/doctor/probe"
)

// mpiCommand returns doctor mpi.
func mpiCommand(p *ui.Process) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "mpi [flags] [IMAGE]", Short: "Say whether an image's MPI and this machine fit, and how to start its ranks",
		Long: `Look at the MPI of an image, at what Slurm here can start ranks by, at the
launchers and at the fast network, and say whether they fit. The image's
libraries are told by their files; nothing in it is run. The last line is the
command that starts ranks in containers, with what it has to bind.

The checks are slurm, pmi, mpi and fabric, as without an image, and then:

  plugins         Slurm's plugins for MPI
  image-mpi       families, versions and ABIs of MPI in the image
  image-pmi       how its ranks find each other
  start           whether srun, or an mpirun here, fits it
  image-network   whether the image has the library of this machine's network

With --json there is one object with the fields checks, as doctor's, libraries
(path, soname, version and glibc of those in the image), start (the command) and
binds (the directories that it binds).`,
		Example: "  sealift doctor mpi lammps.sif\n  srun -n1 sealift doctor mpi --json lammps.sif | jq -r .start",
		Args:    ui.AtMost(1),
		RunE: func(c *cobra.Command, args []string) error {
			var name string
			var inside fs.FS
			if len(args) > 0 {
				name = args[0]
				img, err := paths.Open(paths.Local(name), image.Options{})
				if err != nil {
					return err
				}
				defer img.Close() // which was only read
				inside = img.FS()
			}
			f, err := probe.GatherMPI(c.Context(), inputs(p), name, inside)
			if err != nil {
				return err
			}
			return showMPI(p, mpi.Examine(f), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// showMPI prints a report.
func showMPI(p *ui.Process, r mpi.Report, asJSON bool) error {
	var b strings.Builder
	b.WriteString(table(r.Checks, p.Painter()))
	if r.Start != "" {
		b.WriteString("\nTo start ranks:\n  " + ui.Clean(r.Start) + "\n")
	}
	if asJSON {
		return ui.Gone(p.PrintJSON(r))
	}
	return ui.Gone(p.Print(b.String()))
}
