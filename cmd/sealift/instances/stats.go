package instances

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/cmd/sealift/limits"
	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/runtime/host"
	"github.com/sealift/sealift/runtime/instance"
)

// statsCommand returns instance stats.
func statsCommand(p *ui.Process) *cobra.Command {
	var asJSON, once bool
	var of string
	c := &cobra.Command{
		Use: "stats [flags] NAME", Short: "Show what an instance uses",
		Long: `Show what an instance uses, again every second: processor time, as a share of
one processor, memory, bytes of block devices, and its processes. Of an instance
with limits its control groups tell; of others, memory that processes share
counts for each of them.

With --json there is one object: instance, cpu_ns, cpu_percent, memory,
memory_limit, block_read, block_written, in bytes, and pids.`,
		Example: "  sealift instance stats db\n  sealift instance stats --no-stream db",
		Args:    cobra.MatchAll(ui.AtLeast(1), ui.AtMost(1)), ValidArgsFunction: completeNames(p),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			return stats(c.Context(), p, args[0], of, asJSON, once)
		},
	}
	flags := c.Flags()
	flags.BoolVarP(&asJSON, "json", "j", false, "print JSON, once")
	ui.Bind(flags, "json", "JSON")
	flags.BoolVar(&once, "no-stream", false, "show it once")
	ui.Bind(flags, "no-stream", "NO_STREAM")
	userFlag(flags, &of, "look at an instance of this `user` (root only)")
	return c
}

// measured is a measurement in JSON.
type measured struct {
	Instance string `json:"instance"`
	instance.Usage
	Percent float64 `json:"cpu_percent"`
}

func stats(ctx context.Context, p *ui.Process, name, of string, asJSON, once bool) error {
	s, err := store(p, of)
	if err != nil {
		return err
	}
	i, err := s.Find(name, false)
	if err != nil {
		return err
	}
	defer i.Close()
	h, err := i.Enter()
	if err != nil {
		return err
	}
	defer h.Close()
	facts, err := host.Probe(host.Inputs{Environ: p.Environ, Cwd: p.Cwd})
	if err != nil {
		return err
	}
	meter := limits.Meter{Running: limits.Of(h.PID), Other: instance.Processes{Init: h.Process, Limit: limit(facts)}}
	if !asJSON {
		p.Info("Stats for %s instance of %s (PID=%d)", i.Name, i.Image, i.Init.PID)
	}
	return ui.Interruptible(ctx, func(ctx context.Context) error {
		before, err := meter.Usage()
		for err == nil {
			began := time.Now()
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
			}
			var now instance.Usage
			if now, err = meter.Usage(); err != nil {
				break
			}
			m := measured{i.Name, now, 100 * float64(now.CPU-before.CPU) / float64(time.Since(began))}
			before = now
			if err = p.Buffered(func(w io.Writer) error { return m.print(w, asJSON, !once) }); asJSON || once {
				break
			}
		}
		if h.Wait(0) {
			return nil // it has ended
		}
		return err
	})
}

// limit is how many bytes of memory there are to have.
func limit(facts *host.Facts) uint64 {
	if facts.MemoryLimit > 0 {
		return uint64(facts.MemoryLimit)
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return info.Totalram * uint64(info.Unit)
}

// print prints a table, or JSON; again puts it in the place of the last one on a terminal.
func (m measured) print(to io.Writer, asJSON, again bool) error {
	if asJSON {
		e := json.NewEncoder(to)
		e.SetIndent("", "\t")
		return e.Encode(m)
	}
	if again {
		fmt.Fprint(to, "\x1b[H\x1b[2J")
	}
	share := 0.0
	if m.Limit > 0 {
		share = 100 * float64(m.Memory) / float64(m.Limit)
	}
	w := table(to)
	fmt.Fprintln(w, "INSTANCE NAME\tCPU USAGE\tMEM USAGE / LIMIT\tMEM %\tBLOCK I/O\tPIDS")
	fmt.Fprintf(w, "%s\t%.2f%%\t%s / %s\t%.2f%%\t%s / %s\t%d\n", m.Instance, m.Percent,
		bytesSize(m.Memory), bytesSize(m.Limit), share, bytesSize(m.Read), bytesSize(m.Written), m.PIDs)
	return w.Flush()
}

// bytesSize is a number of bytes with four digits and a unit, such as 1.953MiB.
func bytesSize(n uint64) string {
	size, unit := float64(n), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for size >= 1024 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	return fmt.Sprintf("%.4g%s", size, units[unit])
}
