package registry

// Documents keeps manifests, indexes and configurations between runs, by their
// digests.
type Documents interface {
	// Document returns the document of a digest: the one that it has, if valid
	// says so of it, or else what fetch returns, which is verified. Of all
	// processes that want one, one fetches it.
	Document(digest string, valid func(document []byte) bool, fetch func() ([]byte, error)) ([]byte, error)
}

// Document returns the document of a digest from documents, if that is not nil,
// or else what fetch returns.
func Document(documents Documents, digest string, fetch func() ([]byte, error)) ([]byte, error) {
	if documents == nil {
		return fetch()
	}
	valid := func(raw []byte) bool { return (&Manifest{Raw: raw, Digest: digest}).verify() == nil }
	return documents.Document(digest, valid, fetch)
}
