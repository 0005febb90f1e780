package policy

import (
	"net/url"
	"path"
	"strings"
)

// Source returns where an image comes from by its name, such as
// "docker://docker.io/library/debian:12": without its tag and its digest, and in
// the one form that names and the sources of rules are compared in. A host is in
// lower case, without a dot at its end or the usual port; Docker Hub is docker.io.
func Source(name string) string {
	transport, rest, ok := strings.Cut(name, "://")
	switch {
	case !ok:
		return name
	case isWeb(transport):
		return address(name)
	}
	rest, _, _ = strings.Cut(rest, "@")
	if last := strings.LastIndexByte(rest, '/'); strings.Contains(rest[last+1:], ":") {
		rest = rest[:last+1+strings.IndexByte(rest[last+1:], ':')]
	}
	rest = place(transport, rest)
	if image, ok := strings.CutPrefix(rest, hub+"/"); ok && transport != "library" && !strings.Contains(image, "/") {
		rest = hub + "/library/" + image
	}
	return transport + "://" + rest
}

// hub is Docker Hub, which has other names for the same.
const hub = "docker.io"

var hubNames = []string{"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}

func isWeb(transport string) bool { return transport == "http" || transport == "https" }

// sources returns the source of a rule in the form of Source. What it says of
// Docker Hub with one component, such as docker.io/debian, is a user's images and
// the image that Docker Hub has by this short name: the second one.
func sources(text string) []string {
	transport, rest, ok := strings.Cut(text, "://")
	if !ok {
		transport, rest = "", text
	}
	rest = strings.TrimRight(rest, "/")
	switch {
	case ok && rest == "":
		return []string{transport + "://"}
	case isWeb(transport):
		return []string{strings.TrimSuffix(address(transport+"://"+rest), "/")}
	case ok:
		transport += "://"
	}
	rest = place(strings.TrimSuffix(transport, "://"), rest)
	list := []string{transport + rest}
	image, ok := strings.CutPrefix(rest, hub+"/")
	if ok && image != "library" && !strings.Contains(image, "/") && transport != "library://" {
		list = append(list, transport+hub+"/library/"+image)
	}
	return list
}

// place returns HOST/PATH of a transport, or of any if that is empty, with the host
// in its one form. A library's names need no host; one has a dot or a port.
func place(transport, text string) string {
	first, rest, more := strings.Cut(text, "/")
	if transport == "docker" || transport == "oras" || strings.ContainsAny(first, ".:") {
		first = host(first, "443")
		for _, name := range hubNames {
			if first == name && transport != "library" {
				first = hub
			}
		}
	}
	if more {
		first += "/" + rest
	}
	return first
}

// host returns a HOST[:PORT] in one form, without the port that is the usual one.
func host(text, usual string) string {
	name, port := strings.ToLower(text), ""
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, ']') {
		name, port = name[:i], strings.TrimLeft(name[i+1:], "0")
	}
	name = strings.TrimRight(name, ".")
	if port != "" && port != usual {
		name += ":" + port
	}
	return name
}

// address returns the address of a file in the one way to write it of those that
// differ in the host, in dots and escapes in the path, a user or a query. A slash
// that is escaped is part of a component, not an end of one.
func address(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	parts := strings.Split(u.EscapedPath(), "/")
	for i, part := range parts {
		if plain, err := url.PathUnescape(part); err == nil {
			parts[i] = strings.NewReplacer("%", "%25", "/", "%2F").Replace(plain)
		}
	}
	usual := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	return u.Scheme + "://" + host(u.Host, usual) + path.Clean("/"+strings.Join(parts, "/"))
}
