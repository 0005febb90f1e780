package caches

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/cache"
)

// Command returns cache.
func Command(p *ui.Process) *cobra.Command {
	c := &cobra.Command{
		Use: "cache", Short: "Look at what is kept for later builds, and remove it",
		Long: `Look at what is kept for later builds, and remove it. It is in
SEALIFT_CACHEDIR or, without that, in the directory sealift of
APPTAINER_CACHEDIR, of XDG_CACHE_HOME or of ~/.cache. It may fill a fourth of
the space that is free there; what was not used for the longest time goes first.
Everything in it can be made again.`,
		Args: ui.KnownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(listCommand(p), sizeCommand(p), cleanCommand(p))
	return c
}

func listCommand(p *ui.Process) *cobra.Command {
	var verbose bool
	c := &cobra.Command{
		Use: "list [flags]", Short: "List what is in the cache, the last used first", Args: ui.AtMost(0),
		RunE: func(*cobra.Command, []string) error {
			return with(p, func(c *cache.Cache) error {
				list, err := c.List()
				return errors.Join(p.Print(table(list, verbose)), err)
			})
		},
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "print the whole keys")
	return c
}

// table has a line for each entry, the last used first.
func table(list []cache.Info, verbose bool) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tKEY\tSIZE\tUSED\tWHAT")
	for _, i := range byUse(list) {
		key := i.Key
		if !verbose {
			key = key[:12]
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", i.Kind, key, ui.Bytes(i.Size), i.Used.Format(time.DateTime), ui.Clean(i.Description))
	}
	_ = w.Flush() // to memory
	return b.String()
}

func sizeCommand(p *ui.Process) *cobra.Command {
	return &cobra.Command{
		Use: "size", Short: "Print how many bytes the cache has", Args: ui.AtMost(0),
		RunE: func(*cobra.Command, []string) error {
			return with(p, func(c *cache.Cache) error {
				n, err := c.Size()
				if err != nil {
					return err
				}
				return p.Print(fmt.Sprintf("%d\n", n))
			})
		},
	}
}

func cleanCommand(p *ui.Process) *cobra.Command {
	var days int
	var dryRun, force bool
	c := &cobra.Command{
		Use: "clean [flags]", Short: "Empty the cache", Args: ui.AtMost(0),
		Long: `Empty the cache, or remove what was not used for some days. Builds that run
go on: what they have open stays there for them.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if days < 0 {
				return ui.UsageError(c, fmt.Errorf("--days %d is not a number of days", days))
			}
			before := time.Now().AddDate(0, 0, -days)
			if days == 0 {
				before = before.AddDate(1, 0, 0) // whatever the clocks say
			}
			return with(p, func(c *cache.Cache) error { return clean(p, c, before, dryRun) })
		},
	}
	c.Flags().IntVarP(&days, "days", "D", 0, "remove only what was not used for `N` days")
	c.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "list what would go, and remove nothing")
	c.Flags().BoolVarP(&force, "force", "f", false, "do not ask (nothing is asked)")
	return c
}

func clean(p *ui.Process, c *cache.Cache, before time.Time, dryRun bool) error {
	if dryRun {
		list, err := c.List()
		return errors.Join(p.Print(table(usedBefore(list, before), false)), err)
	}
	freed, err := c.Clean(before)
	p.Info("entries removed: %d, %s", freed.Entries, ui.Bytes(freed.Bytes))
	return err
}

// with calls f with the cache.
func with(p *ui.Process, f func(*cache.Cache) error) error {
	dir, err := Dir(p)
	if err != nil {
		return err
	}
	c, err := cache.Open(dir, cache.Options{Warn: func(err error) { p.Warn("%v", err) }})
	if err != nil {
		return err
	}
	return errors.Join(f(c), c.Close())
}
