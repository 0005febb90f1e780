// Package fds closes the descriptors that nobody was meant to inherit.
//
// Input: numbers of those that stay. It must not print.
package fds

import (
	"math"
	"slices"

	"golang.org/x/sys/unix"
)

// HideOthers marks close-on-exec every descriptor above 2 but kept ones, and
// but own, which is marked already.
func HideOthers(kept []int, own int) {
	closeBut(append(slices.Clone(kept), 2, own), unix.CLOSE_RANGE_CLOEXEC)
}

// CloseOthers closes every descriptor above 2 but kept ones.
func CloseOthers(kept []int) { closeBut(append(slices.Clone(kept), 2), 0) }

// closeBut calls closeRange for what lies between and above the descriptors in
// skip, which it sorts, from 3 on.
func closeBut(skip []int, flags int) {
	slices.Sort(skip)
	for i, fd := range skip {
		last := math.MaxInt32
		if i+1 < len(skip) {
			last = skip[i+1] - 1
		}
		if first := max(fd+1, 3); first <= last {
			closeRange(first, last, flags)
		}
	}
}

// closeRange closes descriptors, or marks them close-on-exec when flags say
// so. Kernels without close_range(2), or without its flag, get a call for each
// descriptor below maxFD: those with a higher number are left alone there.
func closeRange(first, last, flags int) {
	if unix.CloseRange(uint(first), uint(last), uint(flags)) == nil {
		return
	}
	for fd := first; fd <= min(last, maxFD); fd++ {
		if flags == 0 {
			unix.Close(fd)
		} else {
			unix.CloseOnExec(fd)
		}
	}
}

const maxFD = 1 << 14
