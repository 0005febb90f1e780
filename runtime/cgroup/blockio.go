package cgroup

import (
	"fmt"
	"strconv"
)

func (l *Limits) blockIO() ([]Setting, error) {
	b := &l.BlockIO
	var list []Setting
	if b.Weight != 0 {
		if err := checkWeight(b.Weight); err != nil {
			return nil, err
		}
		list = append(list, weight("weight of input and output", "", b.Weight))
	}
	if b.LeafWeight != 0 {
		list = append(list, Setting{Name: "leaf weight", Controller: "blkio", V1: shown("blkio.leaf_weight", strconv.Itoa(int(b.LeafWeight)))})
	}
	for _, d := range b.WeightDevice {
		device := fmt.Sprintf("%d:%d", d.Major, d.Minor)
		if d.Weight != 0 {
			if err := checkWeight(d.Weight); err != nil {
				return nil, err
			}
			list = append(list, weight("weight of device "+device, device+" ", d.Weight))
		}
		if d.LeafWeight != 0 {
			list = append(list, Setting{
				Name: "leaf weight of device " + device, Controller: "blkio",
				V1: shown("blkio.leaf_weight_device", device+" "+strconv.Itoa(int(d.LeafWeight))),
			})
		}
	}
	for _, t := range []struct {
		name, v1, v2 string
		rates        []Throttle
	}{
		{"bytes read", "read_bps_device", "rbps", b.ReadBps},
		{"bytes written", "write_bps_device", "wbps", b.WriteBps},
		{"reads", "read_iops_device", "riops", b.ReadIOPS},
		{"writes", "write_iops_device", "wiops", b.WriteIOPS},
	} {
		for _, r := range t.rates {
			device := fmt.Sprintf("%d:%d ", r.Major, r.Minor)
			list = append(list, Setting{
				Name: "rate of " + t.name, Controller: "blkio",
				V1: shown("blkio.throttle."+t.v1, fmt.Sprintf("%s%d", device, r.Rate)),
				V2: shown("io.max", fmt.Sprintf("%s%s=%d", device, t.v2, r.Rate)),
			})
		}
	}
	return list, nil
}

func checkWeight(w uint16) error {
	if w < 10 || w > 1000 {
		return fmt.Errorf("a weight of input and output is between 10 and 1000, not %d", w)
	}
	return nil
}

// weight is one of all devices, or of the one that a line begins with. Which file there
// is depends on the kernel's schedulers: BFQ takes 1 to 1000, CFQ, which is of old, 10 to
// 1000 and the cost model of version 2 1 to 10000.
func weight(name, device string, w uint16) Setting {
	text := device + strconv.Itoa(int(w))
	scaled := device + strconv.Itoa(1+(int(w)-10)*9999/990)
	of := "blkio.weight"
	if device != "" {
		of = "blkio.weight_device"
	}
	bfq := shown("blkio.bfq.weight", text)
	if device != "" {
		bfq = shown("blkio.bfq.weight_device", text)
	}
	return Setting{
		Name: name, Controller: "blkio",
		V1: append(shown(of, text), bfq...),
		V2: append(shown("io.bfq.weight", text), shown("io.weight", scaled)...),
	}
}
