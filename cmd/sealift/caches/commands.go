package caches

import (
	"errors"
	"fmt"
	"slices"
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
		Use: "cache", Short: "Look at what is kept for later, and remove it",
		Long: `Look at what is kept for later builds, pulls and starts, and remove it. It is in
SEALIFT_CACHEDIR or, without that, in the directory sealift of
APPTAINER_CACHEDIR, of XDG_CACHE_HOME or of ~/.cache. It may have as many bytes
as SEALIFT_CACHE_MAX_SIZE says: a size such as 20G, a share of the space that is
free there, such as 10%, or 0 for no limit; without it, 25%. What was not used
for the longest time goes first, and also when the disk or a quota is full.
Everything in it can be made again.

What the cache lacks is taken from those of SEALIFT_SITE_CACHEDIR, separated by
colons, or else from ` + siteDir + ` if that is there. They are only read,
and have to belong to root or to you. To fill one, run sealift as root with
SEALIFT_CACHEDIR set to it, then chmod -R a+rX.`,
		Args: ui.KnownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(listCommand(p), sizeCommand(p), cleanCommand(p))
	return c
}

func typeFlag(c *cobra.Command, types *[]string, what string) {
	c.Flags().StringSliceVarP(types, "type", "T", nil, what+" only `TYPES`, separated by commas: "+strings.Join(known(), ", "))
}

func listCommand(p *ui.Process) *cobra.Command {
	var verbose, all, asJSON bool
	var types []string
	c := &cobra.Command{
		Use: "list [flags]", Short: "List what is in the cache, the last used first", Args: ui.AtMost(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if all {
				types = nil
			}
			want, err := ofTypes(types)
			if err != nil {
				return err
			}
			return with(p, func(c *cache.Cache) error {
				list, err := entries(p, c)
				list = slices.DeleteFunc(list, func(i cache.Info) bool { return !want(i) })
				if asJSON {
					return errors.Join(p.PrintJSON(described(list)), err)
				}
				return errors.Join(p.Print(table(list, verbose)+totals(list)), err)
			})
		},
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "print the whole keys")
	c.Flags().BoolVarP(&all, "all", "a", false, "list all types, whatever --type says")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON: a list of objects kind, key, size, used and more")
	typeFlag(c, &types, "list")
	return c
}

// table has a line for each entry, the last used first.
func table(list []cache.Info, verbose bool) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tKEY\tSIZE\tUSED\tWHAT")
	for _, i := range byUse(list) {
		key, site := i.Key, ""
		if !verbose {
			key = key[:min(12, len(key))]
		}
		if i.Below {
			site = "[site] "
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s%s\n",
			i.Kind, key, ui.Bytes(i.Size), i.Used.Format(time.DateTime), site, ui.Clean(i.Description))
	}
	_ = w.Flush() // to memory
	return b.String()
}

// entry is an entry of the cache as JSON has it: sizes are in bytes, and site says that it is in
// a cache that is only read.
type entry struct {
	Kind        string    `json:"kind"`
	Key         string    `json:"key"`
	Size        int64     `json:"size"`
	Created     time.Time `json:"created"`
	Used        time.Time `json:"used"`
	Site        bool      `json:"site"`
	Description string    `json:"description"`
}

// described are entries for JSON, the last used first.
func described(list []cache.Info) []entry {
	entries := []entry{}
	for _, i := range byUse(list) {
		entries = append(entries, entry{i.Kind, i.Key, i.Size, i.Created, i.Used, i.Below, i.Description})
	}
	return entries
}

// totals tells how much the user's own entries take.
func totals(list []cache.Info) string {
	n, size := sum(list)
	return fmt.Sprintf("Total space used: %s in %d entries\n", ui.Bytes(size), n)
}

// sum counts the user's own entries and their bytes.
func sum(list []cache.Info) (n int, size int64) {
	for _, i := range list {
		if !i.Below {
			n++
			size += i.Size
		}
	}
	return n, size
}

func sizeCommand(p *ui.Process) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "size [flags]", Short: "Print how many bytes the cache has", Args: ui.AtMost(0),
		RunE: func(*cobra.Command, []string) error {
			return with(p, func(c *cache.Cache) error {
				n, err := c.Size()
				kept, errKept := machines(p)
				if err := errors.Join(err, errKept); err != nil {
					return err
				}
				_, size := sum(kept)
				n += size
				if asJSON {
					return printSize(p, n)
				}
				return p.Print(fmt.Sprintf("%d\n", n))
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the directory, the bytes, their limit (0 for none) and the caches below as JSON")
	return c
}

func printSize(p *ui.Process, n int64) error {
	dir, err := Dir(p)
	if err != nil {
		return err
	}
	o, err := options(p, dir)
	if err != nil {
		return err
	}
	return p.PrintJSON(struct {
		Directory string   `json:"directory"`
		Bytes     int64    `json:"bytes"`
		Limit     int64    `json:"limit"`
		Below     []string `json:"below,omitempty"`
	}{dir, n, o.MaxBytes, o.Below})
}

// with calls f with the cache.
func with(p *ui.Process, f func(*cache.Cache) error) error {
	dir, err := Dir(p)
	if err != nil {
		return err
	}
	o, err := options(p, dir)
	if err != nil {
		return err
	}
	c, err := cache.Open(dir, o)
	if err != nil {
		return err
	}
	return errors.Join(f(c), c.Close())
}
