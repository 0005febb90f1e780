package main

import "github.com/sealift/sealift/starter/rootemu"

// emulate prepares the emulation of root. The filter is installed when nothing
// is left to do on this thread that it would stop.
func (m *machine) emulate(mode string) (err error) {
	m.emulator, err = rootemu.New(rootemu.Mode(mode))
	return err
}

// keptFDs returns the descriptors that the supervisor of a payload needs.
func (m *machine) keptFDs() []int {
	if m.emulator == nil {
		return nil
	}
	return m.emulator.FDs()
}
