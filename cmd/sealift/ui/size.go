package ui

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Size is a flag's number of bytes: "131072", "128K", "16M" or "2GiB", in
// powers of 1024.
type Size int64

// Set is pflag.Value's.
func (s *Size) Set(text string) error {
	number := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text), "B"), "I")
	shift := 0
	if n := len(number); n > 0 {
		if i := strings.IndexByte("KMGT", number[n-1]); i >= 0 {
			number, shift = number[:n-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n<<shift>>shift != n {
		return errors.New("not a number of bytes such as 131072, 128K or 16M")
	}
	*s = Size(n << shift)
	return nil
}

// String is pflag.Value's.
func (s *Size) String() string {
	n, unit := int64(*s), 0
	for unit < 4 && n != 0 && n%1024 == 0 {
		n, unit = n/1024, unit+1
	}
	return strconv.FormatInt(n, 10) + []string{"", "K", "M", "G", "T"}[unit]
}

// Type is pflag.Value's.
func (*Size) Type() string { return "SIZE" }

// Bytes spells a number of bytes for people, in powers of 1024: "812 B",
// "1.5 MiB".
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1024, 0
	for ; f >= 1023.95 && unit < 3; unit++ {
		f /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGT"[unit])
}
