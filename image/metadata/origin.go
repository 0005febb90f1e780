package metadata

import (
	"regexp"
	"strings"
	"sync"
	"time"
)

// Origin is what a build knows of an image's making.
type Origin struct {
	// Time is when it was built.
	Time time.Time
	// Arch is the Go name of the architecture, Version that of Sealift.
	Arch, Version string
	// Headers are those of the definition, by their keyword in lower case.
	Headers map[string]string
	// HasHelp tells whether there is a help text.
	HasHelp bool
	// Base names the OCI image that it was built from, Digest that image's
	// manifest; both are empty for other bases.
	Base, Digest string
}

// Labels returns the labels that every build gives, without the credentials
// of URLs, by the names of Label
// Schema 1.0 as other builders use them and of annotations.md of the OCI image
// format specification.
func (o Origin) Labels() map[string]string {
	const schema, usage, opencontainers = "org.label-schema.", "org.label-schema.usage", "org.opencontainers.image."
	now := o.Time.UTC()
	labels := map[string]string{
		schema + "schema-version":       "1.0",
		schema + "build-date":           strings.ReplaceAll(now.Format("Monday 2 January 2006 15:04:05 MST"), " ", "_"),
		schema + "build-arch":           o.Arch,
		usage + ".sealift.version":      o.Version,
		opencontainers + "created":      now.Format(time.RFC3339),
		opencontainers + "architecture": o.Arch,
	}
	if o.HasHelp {
		help := "/" + Dir + "/" + Help
		labels[usage], labels[usage+".apptainer.runscript.help"] = help, help
	}
	for key, value := range o.Headers {
		labels[usage+".singularity.deffile."+key] = WithoutUser(value)
	}
	if o.Base != "" {
		labels[opencontainers+"base.name"], labels[opencontainers+"base.digest"] = WithoutUser(o.Base), o.Digest
	}
	return labels
}

// userInfo is the user and password in a URL, RFC 3986 section 3.2.1.
var userInfo = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`//[^/@\s]*@`) })

// WithoutUser removes credentials from text that may be a URL.
func WithoutUser(s string) string { return userInfo().ReplaceAllString(s, "//") }
