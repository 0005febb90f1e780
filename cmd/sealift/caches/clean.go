package caches

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealift/sealift/cmd/sealift/ui"
	"github.com/sealift/sealift/image/cache"
)

// cleaning is what cache clean is asked for.
type cleaning struct {
	types         []string
	days          int
	dryRun, force bool
}

func cleanCommand(p *ui.Process) *cobra.Command {
	var o cleaning
	c := &cobra.Command{
		Use: "clean [flags]", Short: "Empty the cache", Args: ui.AtMost(0),
		Long: `Empty the cache, or remove what is of some types or was not used for some days.
Builds and containers that run go on: what they have open stays there for them.
On a terminal it asks first. The caches of the site stay as they are.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.days < 0 {
				return ui.UsageError(c, fmt.Errorf("--days %d is not a number of days", o.days))
			}
			unwanted, err := o.unwanted(time.Now())
			if err != nil {
				return err
			}
			return with(p, func(c *cache.Cache) error { return o.clean(p, c, unwanted) })
		},
	}
	c.Flags().IntVarP(&o.days, "days", "D", 0, "remove only what was not used for `N` days")
	c.Flags().BoolVarP(&o.dryRun, "dry-run", "n", false, "list what would go, and remove nothing")
	c.Flags().BoolVarP(&o.force, "force", "f", false, "do not ask")
	typeFlag(c, &o.types, "remove")
	return c
}

// unwanted returns what says whether an entry is to go. With no days, all are,
// whatever the clocks say.
func (o cleaning) unwanted(now time.Time) (func(cache.Info) bool, error) {
	want, err := ofTypes(o.types)
	before := now.AddDate(0, 0, -o.days)
	return func(i cache.Info) bool {
		return !i.Below && want(i) && (o.days == 0 || i.Used.Before(before))
	}, err
}

func (o cleaning) clean(p *ui.Process, c *cache.Cache, unwanted func(cache.Info) bool) error {
	if ask := !o.force && p.Interactive(); o.dryRun || ask {
		list, err := entries(p, c)
		list = slices.DeleteFunc(list, func(i cache.Info) bool { return !unwanted(i) })
		if o.dryRun {
			return errors.Join(p.Print(table(list, false)+totals(list)), err)
		}
		if n, size := sum(list); err != nil || !p.Confirm("Remove %d entries, %s, from the cache?", n, ui.Bytes(size)) {
			p.Info("nothing was removed")
			return err
		}
	}
	freed, err := c.Clean(unwanted)
	more, errMore := forget(p, unwanted)
	p.Info("entries removed: %d, %s", freed.Entries+more.Entries, ui.Bytes(freed.Bytes+more.Bytes))
	return errors.Join(err, errMore)
}
