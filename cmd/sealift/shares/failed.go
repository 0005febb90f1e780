package shares

import (
	"errors"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/buildcfg"
	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/runtime/failure"
	"github.com/sealift/sealift/starter/plan"
)

// FailedName is the name of the command that Failed returns.
const FailedName = buildcfg.ExplainName

// Failed returns the command that says why a payload could not be started that shares. It is
// for Sealift alone.
func Failed() *cobra.Command {
	return &cobra.Command{
		Use: FailedName, Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			fd, err := strconv.Atoi(args[0])
			if err != nil {
				return hint.New(FailedName+" is for Sealift alone", "use another command")
			}
			data, err := io.ReadAll(os.NewFile(uintptr(fd), "plan"))
			if err != nil {
				return err
			}
			p, err := plan.Parse(data)
			r, err2 := plan.ParseReport([]byte(args[1]))
			if err := errors.Join(err, err2); err != nil || r.Index >= len(p.Ops) && (r.Stage == plan.StageOp || r.Stage == plan.StageSource) {
				return hint.Wrap(errors.Join(err, errors.New(FailedName+" is for Sealift alone")), "use another command")
			}
			return failure.Of(failure.Explain(p, r))
		},
	}
}
