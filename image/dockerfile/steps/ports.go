package steps

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ports spells out ports: PORT[-PORT][/PROTOCOL] becomes one PORT/PROTOCOL
// each. Ports of the host, up to a last colon, mean nothing here.
func (s *State) ports(words Expose) (Expose, error) {
	ports := Expose{}
	for _, word := range words {
		spelled, protocol, ok := strings.Cut(word[strings.LastIndexByte(word, ':')+1:], "/")
		if protocol = strings.ToLower(protocol); !ok || protocol == "" {
			protocol = "tcp"
		}
		low, high, isRange := strings.Cut(spelled, "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.ParseUint(low, 10, 16)
		to, err2 := strconv.ParseUint(high, 10, 16)
		known := protocol == "tcp" || protocol == "udp" || protocol == "sctp"
		if err1 != nil || err2 != nil || from > to || !known {
			return nil, fmt.Errorf("port %q; expected PORT[-PORT][/tcp|/udp|/sctp], ports up to 65535", word)
		}
		if s.left -= 8 * int(to-from); s.left < 0 {
			return nil, fmt.Errorf("more than %d ports in a stage", MaxExpansion/8)
		}
		for port := from; port <= to; port++ {
			ports = append(ports, strconv.FormatUint(port, 10)+"/"+protocol)
		}
	}
	return ports, nil
}

// isSignal tells the numbers of Linux's signals, 1 to 64, and their names in
// any case, with SIG in front or without. Those from 34 on are counted from
// either end, as SIGRTMIN+1 and SIGRTMAX-1: signal(7).
func isSignal(s string) bool {
	if n, err := strconv.Atoi(s); err == nil {
		return n >= 1 && n <= 64
	}
	name := "SIG" + strings.TrimPrefix(strings.ToUpper(s), "SIG")
	for _, end := range []struct {
		name string
		most uint64
	}{{"SIGRTMIN+", 15}, {"SIGRTMAX-", 14}} {
		if count, ok := strings.CutPrefix(name, end.name); ok {
			n, err := strconv.ParseUint(count, 10, 8)
			return err == nil && n <= end.most
		}
	}
	return unix.SignalNum(name) != 0 || name == "SIGRTMIN" || name == "SIGRTMAX"
}
