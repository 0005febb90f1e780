package library

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Delete removes the image of an architecture that the reference names.
func (c *Client) Delete(ctx context.Context, ref Reference, arch string) error {
	name, err := ref.image()
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodDelete, "v1/images/"+name, forArch(arch), nil, nil)
}

// Tag gives the image of an architecture that the reference names more tags.
func (c *Client) Tag(ctx context.Context, ref Reference, arch string, tags ...string) error {
	name, err := ref.image()
	if err != nil {
		return err
	}
	for _, tag := range tags {
		if !namePart().MatchString(tag) {
			return hint.New(fmt.Sprintf("%.80q is not a tag", tag), "use letters and digits, with '.', '_' or '-' between")
		}
	}
	found, err := c.record(ctx, name, arch)
	if err != nil {
		return err
	}
	var owner item
	if err := c.call(ctx, http.MethodGet, "v1/containers/"+ref.Path, nil, nil, &owner); err != nil {
		return err
	}
	if err := owner.check(); err != nil {
		return err
	}
	return c.setTags(ctx, owner.ID, found.ID, arch, tags)
}

// setTags gives an image tags, by architecture where the library knows such.
func (c *Client) setTags(ctx context.Context, container, image, arch string, tags []string) error {
	path := "v1/tags/"
	if c.since(ctx, archTags) {
		path = "v2/tags/"
	} else {
		arch = ""
	}
	for _, tag := range tags {
		send := struct {
			Arch    string `json:",omitempty"`
			Tag     string
			ImageID string
		}{arch, tag, image}
		if err := c.call(ctx, http.MethodPost, path+container, nil, send, nil); err != nil {
			return fmt.Errorf("tag %s: %w", tag, err)
		}
	}
	return nil
}

// Query is what is searched for.
type Query struct {
	// Text has at least three characters, Arch is such as "amd64".
	Text, Arch string
	// Signed leaves images out that are not.
	Signed bool
}

// Found is an image that a search found.
type Found struct {
	// Reference has the tags, or the digest where there are none.
	Reference    Reference
	Description  string
	Fingerprints []string // of the keys that signed it
}

// Search returns the images that fit.
func (c *Client) Search(ctx context.Context, q Query) ([]Found, error) {
	if utf8.RuneCountInString(q.Text) < 3 {
		return nil, hint.New(fmt.Sprintf("%q is too short to search for", q.Text), "give at least 3 characters")
	}
	query := url.Values{"value": {q.Text}, "arch": {q.Arch}}
	if q.Signed {
		query.Set("signed", "true")
	}
	var result struct {
		Images []image `json:"image"`
	}
	if err := c.call(ctx, http.MethodGet, "v1/search", query, nil, &result); err != nil {
		return nil, err
	}
	var found []Found
	for _, i := range result.Images {
		tags := i.Tags
		if len(tags) == 0 {
			tags = []string{i.Hash}
		}
		description := i.Description
		if strings.EqualFold(description, noDescription) {
			description = ""
		}
		path := i.EntityName + "/" + i.CollectionName + "/" + i.ContainerName
		found = append(found, Found{Reference{Path: path, Tags: tags}, description, i.Fingerprints})
	}
	return found, nil
}

// User is whom the token belongs to.
type User struct {
	Name, Email string
	// Secret is the password for the OCI registry behind the library.
	Secret string
}

// User returns whom the token belongs to.
func (c *Client) User(ctx context.Context) (User, error) {
	var u struct {
		Meta struct {
			Secret string `json:"secret"`
		} `json:"oidc_user_meta"`
		Email    string `json:"email"`
		Username string `json:"username"`
	}
	text, err := c.fetch(ctx, http.MethodGet, "v1/rbac/users/current", nil, nil)
	if err == nil {
		err = c.decode(text, &u)
	}
	return User{u.Username, u.Email, u.Meta.Secret}, err
}
