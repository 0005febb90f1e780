package doctor

// network looks for what connects a network namespace to the outside without
// root.
func (f *Findings) network() Check {
	for _, name := range []string{"pasta", "slirp4netns"} {
		if path := f.Programs[name]; path != "" {
			return works("%s", path)
		}
	}
	return Check{State: Absent, Found: "neither pasta nor slirp4netns",
		Effect: "without root, a network of a container's own reaches nothing outside; the host's, which is the default, does",
		Fix:    asRoot("install passt (or slirp4netns)")}
}

const extfsEffect = "ext3 images, as others use for overlays, cannot be mounted"

// extfs looks for what mounts ext2, ext3 and ext4 images.
func (f *Findings) extfs() Check {
	switch path := f.Programs["fuse2fs"]; {
	case path != "" && f.OldFuse:
		return Check{State: Absent, Found: path + ", which uses libfuse 2 and cannot be given a mount", Effect: extfsEffect,
			Fix: asRoot("install a fuse2fs that uses libfuse 3, as from e2fsprogs 1.47.1 on")}
	case path != "":
		return works("%s", path)
	}
	return Check{State: Absent, Found: "no fuse2fs", Effect: extfsEffect,
		Fix: asRoot("install fuse2fs (Debian, Ubuntu, Fedora) or e2fsprogs")}
}
