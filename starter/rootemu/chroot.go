package rootemu

import (
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift/starter/rootemu/device"
)

// chroot has the kernel change the root directory. A tool that makes a root file
// system and runs programs in it (debootstrap(8), rpm(8)) has made the device
// nodes that they need, which are empty files so far. The host's are mounted on
// them: in another root directory there are no others.
func chroot(w *worker, a *[6]uint64) answer {
	p, err := w.at(lookup{dir: unix.AT_FDCWD, path: a[0], follow: true})
	if err != nil {
		return carryOn()
	}
	dev, err := p.devices()
	if err != nil {
		return carryOn() // the kernel knows what to say, or there is no dev
	}
	defer unix.Close(dev)
	if err := w.listener.Valid(w.id); err != nil {
		return failed(err)
	}
	for _, name := range device.Names() {
		if err := w.coverDevice(dev, name); err != nil {
			return failed(err)
		}
	}
	return carryOn()
}

// devices opens the directory dev in p.
func (p place) devices() (int, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	root, err := unix.Open(p.name, flags, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(root)
	return unix.Openat(root, "dev", flags|unix.O_NOFOLLOW, 0)
}

// coverDevice mounts a device of the host's on the file in the directory dev
// that stands for it, if there is one.
func (w *worker) coverDevice(dev int, name string) error {
	fd, err := unix.Openat(dev, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // there is none
	}
	f := &file{fd: fd}
	defer f.close()
	if err := f.stat(); err != nil {
		return err
	}
	if f.kind() != unix.S_IFREG || !w.region.Holds(&f.st) {
		return nil
	}
	r, err := w.record(f)
	if err != nil || r.Type != unix.S_IFCHR || r.Rdev != device.Number(name) {
		return err
	}
	// A tool may have a mount namespace of its own.
	namespace, err := unix.Openat(w.procfs, w.proc("ns/mnt"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(namespace)
	return device.Cover(w.procfs, namespace, fd, name)
}
