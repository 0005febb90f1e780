package sifs

import (
	"strings"
	"time"
	"unicode"

	"github.com/sealift/sealift/image/sif"
)

// object is an object as JSON.
type object struct {
	ID         uint32 `json:"id"`
	Group      uint32 `json:"group,omitempty"`
	Link       uint32 `json:"link,omitempty"`
	LinksGroup bool   `json:"linksGroup,omitempty"`
	Type       string `json:"type"`
	Name       string `json:"name,omitempty"`
	// Offset and Size are in bytes.
	Offset   int64  `json:"offset"`
	Size     int64  `json:"size"`
	Created  string `json:"created,omitempty"`
	Modified string `json:"modified,omitempty"`
	// Details are what only objects of the type have.
	Details map[string]string `json:"details,omitempty"`
}

func describe(o sif.Object) object {
	out := object{
		ID: o.ID, Group: o.Group, Link: o.Link, LinksGroup: o.LinksGroup, Type: o.Type.String(), Name: o.Name,
		Offset: o.Offset, Size: o.Size, Created: timestamp(o.Created), Modified: timestamp(o.Modified),
	}
	for _, d := range o.Details() {
		if out.Details == nil {
			out.Details = map[string]string{}
		}
		out.Details[field(d.Name)] = d.Value
	}
	return out
}

// header is a header as JSON, in bytes.
type header struct {
	Launch            string `json:"launchScript"`
	Version           string `json:"version"`
	Arch              string `json:"primaryArchitecture,omitempty"`
	ID                string `json:"id"`
	Created           string `json:"created,omitempty"`
	Modified          string `json:"modified,omitempty"`
	DescriptorsFree   int64  `json:"descriptorsFree"`
	DescriptorsTotal  int64  `json:"descriptorsTotal"`
	DescriptorsOffset int64  `json:"descriptorsOffset"`
	DescriptorsSize   int64  `json:"descriptorsSize"`
	DataOffset        int64  `json:"dataOffset"`
	DataSize          int64  `json:"dataSize"`
}

func headerOf(h sif.Header) header {
	return header{
		Launch: h.Launch, Version: h.Version, Arch: h.Arch, ID: h.ID, Created: timestamp(h.Created), Modified: timestamp(h.Modified),
		DescriptorsFree: h.Free, DescriptorsTotal: h.Total, DescriptorsOffset: h.TableOffset, DescriptorsSize: h.TableSize,
		DataOffset: h.DataOffset, DataSize: h.DataSize,
	}
}

// timestamp is a time by RFC 3339, empty for none and for one that has no such form.
func timestamp(seconds int64) string {
	t := time.Unix(seconds, 0).UTC()
	if t.IsZero() || t.Year() < 0 || t.Year() > 9999 {
		return ""
	}
	return t.Format(time.RFC3339)
}

// field is a name as JSON has it: "Filesystem Type" is filesystemType.
func field(name string) string {
	name = strings.ReplaceAll(name, " ", "")
	return string(unicode.ToLower(rune(name[0]))) + name[1:]
}
