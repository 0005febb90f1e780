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

// extfs looks for what mounts ext2, ext3 and ext4 images without root.
func (f *Findings) extfs() Check {
	if path := f.Programs["fuse2fs"]; path != "" {
		return works("%s", path)
	}
	return Check{State: Absent, Found: "no fuse2fs", Effect: "without root, ext3 images, as others use for overlays, cannot be mounted",
		Fix: asRoot("install fuse2fs (Debian, Ubuntu, Fedora) or e2fsprogs")}
}
