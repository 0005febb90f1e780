package caches

import (
	"slices"
	"time"

	"github.com/sealift/sealift/image/cache"
)

// byUse returns the entries, the last used first.
func byUse(list []cache.Info) []cache.Info {
	return slices.SortedStableFunc(slices.Values(list), func(a, b cache.Info) int { return b.Used.Compare(a.Used) })
}

func usedBefore(list []cache.Info, t time.Time) []cache.Info {
	return slices.DeleteFunc(list, func(i cache.Info) bool { return !i.Used.Before(t) })
}
