package cgroup

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"

	"github.com/sealift/sealift/buildcfg/hint"
	"github.com/sealift/sealift/image/conffile"
)

// Limits is what a container may use at most: the resources of the OCI runtime
// specification (config-linux.md) by the names that Apptainer's files have. A field
// that is zero or nil limits nothing.
type Limits struct {
	Devices   []Device          `toml:"devices"`
	Memory    Memory            `toml:"memory"`
	CPU       CPU               `toml:"cpu"`
	Pids      Pids              `toml:"pids"`
	BlockIO   BlockIO           `toml:"blockIO"`
	HugePages []HugePages       `toml:"hugepageLimits"`
	Network   Network           `toml:"network"`
	RDMA      map[string]RDMA   `toml:"rdma"`
	Unified   map[string]string `toml:"unified"` // files of version 2, literally
}

// Device is a rule about device nodes. Without Type it is about all; a number that
// is nil is any.
type Device struct {
	Allow  bool   `toml:"allow"`
	Type   string `toml:"type"` // a, b or c
	Major  *int64 `toml:"major"`
	Minor  *int64 `toml:"minor"`
	Access string `toml:"access"` // of r, w and m
}

// Memory is in bytes; -1 is no limit, and 0 says nothing.
type Memory struct {
	Limit            *int64  `toml:"limit"`
	Reservation      *int64  `toml:"reservation"` // what it is pushed back to when memory is short
	Swap             *int64  `toml:"swap"`        // of memory and swap space together
	Kernel           *int64  `toml:"kernel"`
	KernelTCP        *int64  `toml:"kernelTCP"`
	Swappiness       *uint64 `toml:"swappiness"`
	DisableOOMKiller bool    `toml:"disableOOMKiller"`
}

// CPU is in microseconds, but for Shares, a weight of 2 to 262144, and the lists of
// processors and memory nodes, as cpuset(7) writes them: 0-3,8.
type CPU struct {
	Shares          uint64  `toml:"shares"`
	Quota           *int64  `toml:"quota"`
	Period          *uint64 `toml:"period"`
	RealtimeRuntime *int64  `toml:"realtimeRuntime"`
	RealtimePeriod  *uint64 `toml:"realtimePeriod"`
	CPUs            string  `toml:"cpus"`
	Mems            string  `toml:"mems"`
}

// Pids counts processes and threads; -1 is no limit, 0 says nothing.
type Pids struct {
	Limit int64 `toml:"limit"`
}

// BlockIO has weights of 10 to 1000, and rates per second.
type BlockIO struct {
	Weight       uint16         `toml:"weight"`
	LeafWeight   uint16         `toml:"leafWeight"`
	WeightDevice []WeightDevice `toml:"weightDevice"`
	ReadBps      []Throttle     `toml:"throttleReadBpsDevice"`
	WriteBps     []Throttle     `toml:"throttleWriteBpsDevice"`
	ReadIOPS     []Throttle     `toml:"throttleReadIOPSDevice"`
	WriteIOPS    []Throttle     `toml:"throttleWriteIOPSDevice"`
}

// WeightDevice is the weight of one device.
type WeightDevice struct {
	Major      int64  `toml:"major"`
	Minor      int64  `toml:"minor"`
	Weight     uint16 `toml:"weight"`
	LeafWeight uint16 `toml:"leafWeight"`
}

// Throttle is a rate of one device.
type Throttle struct {
	Major int64  `toml:"major"`
	Minor int64  `toml:"minor"`
	Rate  uint64 `toml:"rate"`
}

// HugePages limits the huge pages of one size, such as 2MB, in bytes.
type HugePages struct {
	PageSize string `toml:"pageSize"`
	Limit    uint64 `toml:"limit"`
}

// Network marks and orders what is sent.
type Network struct {
	ClassID    *uint32    `toml:"classID"`
	Priorities []Priority `toml:"priorities"`
}

// Priority is that of what is sent by one interface.
type Priority struct {
	Name     string `toml:"name"`
	Priority uint32 `toml:"priority"`
}

// RDMA counts what may be open of one device.
type RDMA struct {
	Handles *uint32 `toml:"hcaHandles"`
	Objects *uint32 `toml:"hcaObjects"`
}

// Parse reads limits in Apptainer's format, TOML. The name is for errors. What it does
// not know is an error, as nothing would be limited by it.
func Parse(name string, text []byte) (Limits, error) {
	var l Limits
	if err := conffile.Decode(name, text, &l); err != nil {
		return l, hint.Wrap(err, "write the file as Apptainer's manual says: [memory] limit = BYTES, [pids] limit = N, [cpu] shares = N")
	}
	if _, err := l.settings(); err != nil {
		return l, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

// None says that nothing is limited.
func (l *Limits) None() bool { return reflect.ValueOf(*l).IsZero() }

// period is that of the quotas made of numbers of processors, in microseconds: the
// kernel's default.
const period = 100_000

// Processors sets the quota that stands for so many processors: "1.5". The machine has
// count of them, and less than a hundredth the kernel refuses.
func (c *CPU) Processors(text string, count int) error {
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		return fmt.Errorf("%q is not a number of processors such as 1.5", text)
	}
	if n.Cmp(big.NewRat(1, 100)) < 0 || n.Cmp(big.NewRat(int64(count), 1)) > 0 {
		return fmt.Errorf("%s processors are not between 0.01 and the %d of this machine", text, count)
	}
	n.Mul(n, big.NewRat(period, 1))
	quota, every := new(big.Int).Quo(n.Num(), n.Denom()).Int64(), uint64(period)
	c.Quota, c.Period = &quota, &every
	return nil
}

// errSwap is about a limit of memory and swap space together.
var errSwap = errors.New("the limit of memory and swap space together needs a limit of memory that is no greater")
