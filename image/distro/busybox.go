package distro

// busybox makes a system of a single program, which MirrorURL is the address of.
func (p *planner) busybox() error {
	if _, err := p.keyword("MirrorURL"); err != nil {
		return err
	}
	url, err := p.url("MirrorURL", p.optional("OSVersion"))
	if err != nil {
		return err
	}
	program := p.download("busybox", url)
	for _, f := range []struct{ name, text string }{
		{"passwd", "root:x:0:0:root:/root:/bin/sh\n"},
		{"group", "root:x:0:\n"},
		{"hosts", "127.0.0.1 localhost\n::1 localhost\n"},
	} {
		p.run("install", "-D", "-m", "0644", p.file(f.name, f.text), p.in("etc/"+f.name))
	}
	p.run("install", "-D", "-m", "0755", program, p.in("bin/busybox"))
	p.run("chroot", p.Root, "/bin/busybox", "--install", "/bin")
	return nil
}
