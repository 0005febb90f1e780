package instances

import (
	"context"
	"errors"
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

// StatsCommand returns stats, which is instance stats too.
func StatsCommand(p *ui.Process) *cobra.Command {
	var asJSON, once bool
	var of string
	c := &cobra.Command{
		Use: "stats [flags] [NAME...]", Short: "Show what instances use",
		Long: `Show what instances use, all that run or those named, again every second:
processor time, as a share of one processor, memory, bytes of block devices, and
processes. Of an instance with limits its control groups tell; of others, memory
that processes share counts for each of them.

With --json there is one object for one NAME, else an array: instance, cpu_ns,
cpu_percent, memory, memory_limit, block_read, block_written, in bytes, and pids.`,
		Example:           "  sealift stats\n  sealift instance stats --no-stream db",
		ValidArgsFunction: completeNames(p),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.FromEnvironment(c.Flags()); err != nil {
				return err
			}
			return stats(c.Context(), p, args, of, asJSON, once)
		},
	}
	flags := c.Flags()
	flags.BoolVarP(&asJSON, "json", "j", false, "print JSON, once")
	ui.Bind(flags, "json", "JSON")
	flags.BoolVar(&once, "no-stream", false, "show it once")
	ui.Bind(flags, "no-stream", "NO_STREAM")
	userFlag(flags, &of, "look at instances of this `user` (root only)")
	return c
}

// measured is a measurement in JSON.
type measured struct {
	Instance string `json:"instance"`
	instance.Usage
	Percent float64 `json:"cpu_percent"`
}

// gauge measures one instance.
type gauge struct {
	*instance.Instance
	handle *instance.Handle
	meter  limits.Meter
	before instance.Usage
	at     time.Time
}

// gauges begins to measure instances: those of these names, or all that run.
func gauges(p *ui.Process, names []string, of string) (list []*gauge, err error) {
	s, err := store(p, of)
	if err != nil {
		return nil, err
	}
	facts, err := host.Probe(host.Inputs{Environ: p.Environ, Cwd: p.Cwd})
	if err != nil {
		return nil, err
	}
	var all []*instance.Instance
	if len(names) == 0 {
		all, err = found(p, s, "*", false)
	}
	for _, name := range names {
		var i *instance.Instance
		if i, err = s.Find(name, false); err != nil {
			break
		}
		all = append(all, i)
	}
	for _, i := range all {
		h, fault := i.Enter()
		if fault != nil {
			i.Close()
			if len(names) > 0 {
				err = errors.Join(err, fault)
			} // else it has ended, or has no process yet
			continue
		}
		m := limits.Meter{Running: limits.Of(p, h.PID), Other: instance.Processes{Init: h.Process, Limit: limit(facts)}}
		list = append(list, &gauge{Instance: i, handle: h, meter: m})
	}
	return list, err
}

// measure tells what was used since the last time; false when the instance has ended.
func (g *gauge) measure() (m measured, ok bool, err error) {
	now, err := g.meter.Usage()
	if g.handle.Wait(0) {
		return m, false, nil
	}
	m = measured{g.Name, now, 100 * float64(now.CPU-g.before.CPU) / float64(time.Since(g.at))}
	g.before, g.at = now, time.Now()
	return m, true, err
}

func (g *gauge) close() {
	g.handle.Close()
	g.Close()
}

func stats(ctx context.Context, p *ui.Process, names []string, of string, asJSON, once bool) error {
	list, err := gauges(p, names, of)
	defer func() {
		for _, g := range list {
			g.close()
		}
	}()
	if err != nil {
		return err
	}
	if len(names) == 1 && !asJSON {
		p.Info("Stats for %s instance of %s (PID=%d)", list[0].Name, list[0].Image, list[0].Init.PID)
	}
	return ui.Interruptible(ctx, func(ctx context.Context) error {
		for first := true; ; first = false {
			var rows []measured
			for _, g := range list {
				m, ok, err := g.measure()
				if err != nil {
					return err
				}
				if ok {
					rows = append(rows, m)
				}
			}
			if !first {
				if err := p.Buffered(func(w io.Writer) error { return print(w, rows, asJSON, len(names) == 1, !once) }); err != nil || asJSON || once {
					return err
				}
			}
			if len(rows) == 0 && len(names) > 0 {
				return nil // they have ended
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
			}
		}
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

// print prints a table, or JSON: an object if there is to be one only. again puts a table
// in the place of the last one on a terminal.
func print(to io.Writer, rows []measured, asJSON, one, again bool) error {
	if asJSON {
		var what any = append([]measured{}, rows...)
		if one && len(rows) == 1 {
			what = rows[0]
		}
		return writeJSON(to, what)
	}
	if again {
		fmt.Fprint(to, "\x1b[H\x1b[2J")
	}
	w := table(to)
	fmt.Fprintln(w, "INSTANCE NAME\tCPU USAGE\tMEM USAGE / LIMIT\tMEM %\tBLOCK I/O\tPIDS")
	for _, m := range rows {
		share := 0.0
		if m.Limit > 0 {
			share = 100 * float64(m.Memory) / float64(m.Limit)
		}
		fmt.Fprintf(w, "%s\t%.2f%%\t%s / %s\t%.2f%%\t%s / %s\t%d\n", m.Instance, m.Percent,
			bytesSize(m.Memory), bytesSize(m.Limit), share, bytesSize(m.Read), bytesSize(m.Written), m.PIDs)
	}
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
