package ui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
)

// BuildTime is the time that the image carries: SOURCE_DATE_EPOCH, in seconds,
// where it is set (reproducible-builds.org/specs/source-date-epoch).
func (p *Process) BuildTime() (now time.Time, fixed bool, err error) {
	for _, kv := range p.Environ {
		if v, ok := strings.CutPrefix(kv, "SOURCE_DATE_EPOCH="); ok {
			seconds, err := strconv.ParseInt(v, 10, 64)
			if err != nil || seconds < 0 {
				return now, false, hint.New("SOURCE_DATE_EPOCH="+v+" is not a time",
					"set it to a number of seconds since 1970")
			}
			return time.Unix(seconds, 0).UTC(), true, nil
		}
	}
	return time.Now().Truncate(time.Second), false, nil
}

// Duration spells how long something took: "0.4s", "12s", "3m05s", "2h03m".
func Duration(d time.Duration) string {
	seconds := int(d.Round(time.Second) / time.Second)
	switch {
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1fs", max(d, 0).Seconds())
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%dm%02ds", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%dh%02dm", seconds/3600, seconds/60%60)
}
