package cache

import (
	"slices"
	"time"
)

// item is what the choice of entries to remove depends on.
type item struct {
	id   ID
	size int64 // of the file, in bytes
	used time.Time
}

func total(items []item) (sum int64) {
	for _, i := range items {
		sum += i.size
	}
	return sum
}

// surplus returns the least recently used items without which the rest have
// no more than limit bytes, oldest first. Keep is not among them.
func surplus(items []item, limit int64, keep ID) []item {
	sum := total(items)
	byAge := slices.SortedStableFunc(slices.Values(items), func(a, b item) int { return a.used.Compare(b.used) })
	var list []item
	for _, i := range byAge {
		if sum <= limit {
			break
		}
		if i.id != keep {
			list = append(list, i)
			sum -= i.size
		}
	}
	return list
}
