//go:build cgo

// Command sealift-gpu-helper asks NVIDIA's library which GPUs there are.
//
// Input: the directories of the driver's libraries. Output: one line of JSON with a
// specification of CDI and warnings, or a message and the status 1. It is a program of
// its own as the library is loaded into the process that asks: it needs the C library,
// and a driver that hangs, or lacks a function, takes the process with it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/nvidia-container-toolkit/pkg/nvcdi"
	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/sealift/sealift/gpu/discover"
)

func main() {
	dirs := flag.String("lib-dirs", "", "directories of the driver's libraries, comma separated")
	flag.Parse()
	var list []string
	if *dirs != "" {
		list = strings.Split(*dirs, ",")
	}
	answer, err := ask(nvml.New(), "/", list)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ask has one specification made of all GPUs, by their numbers and UUIDs. The files of
// the driver are looked for below root, in libraries or else where the dynamic linker
// looks.
func ask(lib nvml.Interface, root string, libraries []string) (*discover.Answer, error) {
	// One session around all that the generator opens: where no program keeps the
	// driver awake, each would start all GPUs.
	if r := lib.Init(); r != nvml.SUCCESS {
		return nil, fmt.Errorf("nvmlInit: %v", r)
	}
	defer lib.Shutdown()
	options := []nvcdi.Option{
		nvcdi.WithMode(nvcdi.ModeNvml), nvcdi.WithNvmlLib(lib), nvcdi.WithDriverRoot(root), nvcdi.WithLogger(silent{}),
		nvcdi.WithFeatureFlags(nvcdi.FeatureDisableNvsandboxUtils),
	}
	var namers []nvcdi.DeviceNamer
	for _, strategy := range []string{nvcdi.DeviceNameStrategyIndex, nvcdi.DeviceNameStrategyUUID} {
		namer, err := nvcdi.NewDeviceNamer(strategy)
		if err != nil {
			return nil, err
		}
		namers = append(namers, namer)
	}
	options = append(options, nvcdi.WithDeviceNamers(namers...))
	if len(libraries) > 0 {
		options = append(options, nvcdi.WithLibrarySearchPaths(libraries))
	}
	if share := beside(libraries); len(share) > 0 {
		options = append(options, nvcdi.WithConfigSearchPaths(append(share, "/etc", "/usr/share")))
	}
	generator, err := nvcdi.New(options...)
	if err != nil {
		return nil, err
	}
	made, err := generator.GetSpec()
	if err != nil {
		return nil, err
	}
	answer := &discover.Answer{Spec: made.Raw()}
	for _, d := range answer.Spec.Devices {
		if bare(&d) {
			answer.Warnings = append(answer.Warnings, fmt.Sprintf("GPU %s has no device node; as root: nvidia-modprobe -c %s", d.Name, d.Name))
		}
	}
	return answer, nil
}

// beside are the directories of configuration files of drivers that are not among the
// system's.
func beside(libraries []string) (dirs []string) {
	for _, dir := range libraries {
		if !strings.HasPrefix(dir, "/usr/lib") {
			dirs = append(dirs, path.Join(dir, "../share"))
		}
	}
	return dirs
}

// bare says whether a GPU, known by its number, has no node: the generator says nothing
// of that.
func bare(d *specs.Device) bool {
	return len(d.ContainerEdits.DeviceNodes) == 0 && strings.Trim(d.Name, "0123456789:") == ""
}

// silent is told what the generator looks at and does not find, which is much.
type silent struct{}

func (silent) Debugf(string, ...any)   {}
func (silent) Infof(string, ...any)    {}
func (silent) Warningf(string, ...any) {}
func (silent) Errorf(string, ...any)   {}
func (silent) Tracef(string, ...any)   {}
