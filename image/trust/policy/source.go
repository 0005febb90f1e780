package policy

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// Source returns where an image comes from by its name, such as
// "docker://docker.io/library/debian:12": without its tag and its digest, and in
// the one form that names and the sources of rules are compared in. A host is in
// lower case, without a dot at its end or the usual port, with or without TLS; Docker
// Hub is docker.io. The name of a library's file has a host, and the entity and the
// collection that a short one leaves out.
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
	rest = place(transport, rest, true)
	if image, ok := strings.CutPrefix(rest, hub+"/"); ok && transport != "library" && !strings.Contains(image, "/") {
		rest = hub + "/library/" + image
	}
	if host, image, ok := strings.Cut(rest, "/"); ok && transport == "library" {
		rest = host + "/" + long(image)
	}
	return transport + "://" + rest
}

// long returns the path of a library's file with all three parts: what has fewer is
// published by the library itself.
func long(image string) string {
	switch strings.Count(image, "/") {
	case 0:
		return "library/default/" + image
	case 1:
		return "library/" + image
	}
	return image
}

// hub is Docker Hub, which has other names for the same.
const hub = "docker.io"

var hubNames = []string{"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}

func isWeb(transport string) bool { return transport == "http" || transport == "https" }

// source is a place that a rule is for, in the form of Source.
type source struct {
	name string
	// hostless is that a library's host, which the name lacks, may be any.
	hostless bool
}

// covers returns how many components of a place the rule names, -1 if it is another.
func (s source) covers(place string) int {
	n := covers(s.name, place)
	if s.hostless {
		n = max(n, covers(s.name, inLibrary(place)))
	}
	return n
}

// inLibrary returns a place in a library without its host, and nothing for others.
func inLibrary(place string) string {
	rest, ok := strings.CutPrefix(place, library)
	_, rest, more := strings.Cut(rest, "/")
	if !ok || !more {
		return ""
	}
	return library + rest
}

// library begins the names of files in libraries.
const library = "library://"

// sources returns the source of a rule, of which any counts. What it says of
// Docker Hub with one component, such as docker.io/debian, is a user's images and
// the image that Docker Hub has by this short name: the second one. So it is with one
// or two components of a library. A host that a library's name begins with has a dot or
// a port; a name without one is of any library, or of the host that is called so.
func sources(text string) []source {
	transport, rest, ok := strings.Cut(text, "://")
	if !ok {
		transport, rest = "", text
	}
	rest = strings.TrimRight(rest, "/")
	switch {
	case ok && rest == "":
		return []source{{name: transport + "://"}}
	case isWeb(transport):
		return []source{{name: strings.TrimSuffix(address(transport+"://"+rest), "/")}}
	case ok:
		transport += "://"
	}
	first, _, _ := strings.Cut(rest, "/")
	hosted := strings.ContainsAny(first, ".:")
	rest = place(strings.TrimSuffix(transport, "://"), rest, hosted)
	list := []source{{transport + rest, !hosted && (!ok || transport == library)}}
	image, ok := strings.CutPrefix(rest, hub+"/")
	if ok && image != "library" && !strings.Contains(image, "/") && transport != library {
		list = append(list, source{name: transport + hub + "/library/" + image})
	}
	if transport != library && transport != "" {
		return list
	}
	if !hosted {
		return append(list, source{library + long(rest), true})
	}
	if host, image, ok := strings.Cut(rest, "/"); ok {
		list = append(list, source{name: library + host + "/" + long(image)})
	}
	return list
}

// place returns HOST/PATH of a transport, or of any if that is empty, with the host
// in its one form, which a name of another transport than a registry's may lack.
func place(transport, text string, hosted bool) string {
	first, rest, more := strings.Cut(text, "/")
	if hosted || transport == "docker" || transport == "oras" {
		first = host(first, "443", "80") // which --no-https makes the usual one
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

// host returns a HOST[:PORT] in one form, without a port that is a usual one.
func host(text string, usual ...string) string {
	name, port := strings.ToLower(text), ""
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, ']') {
		name, port = name[:i], strings.TrimLeft(name[i+1:], "0")
	}
	name = strings.TrimRight(name, ".")
	if port != "" && !slices.Contains(usual, port) {
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
