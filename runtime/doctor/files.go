package doctor

import (
	"fmt"
	"syscall"
)

func (f *Findings) fuse() Check {
	d := f.Fuse
	c := Check{State: Failed, Effect: "image files cannot be mounted; only directories as images run"}
	switch {
	case !d.Exists && !d.Module:
		c.Found = "/dev/fuse does not exist, and the kernel has no FUSE"
		c.Fix = asRoot("modprobe fuse && echo fuse >/etc/modules-load.d/fuse.conf")
	case !d.Exists:
		c.Found = "/dev/fuse does not exist"
		c.Fix = asRoot("mknod -m 0666 /dev/fuse c 10 229") + "\n" + giveFuse
	case !d.Device:
		c.Found, c.Fix = "/dev/fuse is not the FUSE device: something covers it", giveFuse
	case d.Open == syscall.EACCES:
		c.Found = fmt.Sprintf("/dev/fuse may not be opened: its mode is %04o, its owner %d:%d", d.Mode, d.UID, d.GID)
		c.Fix = asRoot(`chmod 0666 /dev/fuse && echo 'KERNEL=="fuse", MODE="0666"' >/etc/udev/rules.d/90-fuse.rules`)
	case d.Open == syscall.EPERM:
		c.Found = "/dev/fuse may not be opened: the control group of devices, or a file system mounted nodev, forbids it"
		c.Fix = asRoot("allow the character device 10:229 there (systemd: DeviceAllow=/dev/fuse rw)") + "\n" + giveFuse
	case d.Open == syscall.ENODEV || d.Open == syscall.ENXIO:
		c.Found = "/dev/fuse has no driver"
		c.Fix = asRoot("modprobe fuse && echo fuse >/etc/modules-load.d/fuse.conf")
	case d.Open != 0:
		c.Found, c.Fix = fmt.Sprintf("/dev/fuse may not be opened: %v", d.Open), remedy("")
	case d.Trial.Skipped:
		return f.skipped(c)
	case d.Trial.Err != "":
		c.Found, c.Fix = d.Trial.Err, remedy(d.Trial.Hint)
	default:
		return works("a container was started from an image")
	}
	return c
}

// giveFuse is for who starts the outer container.
const giveFuse = "start the container that this runs in with --device /dev/fuse (Docker, Podman)"

func (f *Findings) overlay() Check {
	c := Check{State: Warning, Effect: "no --writable-tmpfs, no scripts in builds, and no bind to a place that a directory as image lacks"}
	switch t := f.Overlay; {
	case t.Skipped:
		return f.skipped(c)
	case t.Errno == syscall.ENODEV:
		c.Found, c.Fix = t.Err, asRoot("modprobe overlay && echo overlay >/etc/modules-load.d/overlay.conf")
	case t.Err != "":
		c.Found, c.Fix = t.Err, remedy(t.Hint)
	case f.root():
		return works("it was mounted and written to")
	default:
		return works("it was mounted in a user namespace and written to")
	}
	return c
}

func (f *Findings) emulation() Check {
	c := Check{State: Warning, Effect: "chown and the like only seem to work in builds: all files in the image belong to root"}
	switch {
	case f.root():
		return works("not needed: builds of root are run by root")
	case f.Host.ProcMasked:
		c.Found, c.Fix = "it cannot be used, as parts of /proc are hidden", "see the check proc"
	case !f.Host.UserNotify && f.UserNS.Seccomp:
		c.Found = "calls cannot be answered here (seccomp), as a container around this may do that itself"
		c.Fix = "leave that container, or start it with --security-opt seccomp=unconfined (Docker, Podman)"
	case !f.Host.UserNotify:
		c.Found, c.Fix = "the kernel cannot have calls answered (seccomp)", "install a kernel from 5.5 on, with CONFIG_SECCOMP_FILTER"
	default:
		return works("full")
	}
	return c
}
