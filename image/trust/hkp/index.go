package hkp

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift/buildcfg/hint"
)

// Entry is a key in a list. Nothing of it is proved.
type Entry struct {
	// ID is the fingerprint or, of old servers, the end of it, in upper case.
	ID string `json:"id"`
	// Algorithm is a number of RFC 9580, 9.1; Bits is 0 where it is not told.
	Algorithm int `json:"algorithm"`
	Bits      int `json:"bits,omitempty"`
	// Created and Expires are zero where they are not told, or for ever.
	Created time.Time `json:"created,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
	// Status is "enabled", "revoked", "disabled" or "expired".
	Status string   `json:"status"`
	Users  []string `json:"users"`
}

// pageSize is how many keys are asked for, as Apptainer does; servers may ignore
// it, and have bounds of their own.
const pageSize = 256

// maxEntries bounds a list.
const maxEntries = 10000

// Search lists keys of the first server whose users a text is part of, or that
// have the fingerprint or key ID.
func (c *Client) Search(ctx context.Context, text string) ([]Entry, error) {
	s, err := c.first()
	if err != nil {
		return nil, err
	}
	if isID(text) {
		text = "0x" + strings.TrimPrefix(strings.TrimPrefix(text, "0x"), "0X")
	}
	query := url.Values{"op": {"index"}, "options": {"mr"}, "fingerprint": {"on"}, "search": {text}, "x-pagesize": {strconv.Itoa(pageSize)}}
	answer, err := s.lookup(ctx, query)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.checkHTML(answer); err != nil {
		return nil, err
	}
	list, err := parseIndex(string(answer))
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("the list of the key server %s: %w", s.URL.Host, err), "try another server with --url")
	}
	return list, nil
}

// isID tells a fingerprint or a key ID from a word.
func isID(text string) bool {
	digits := strings.TrimPrefix(strings.TrimPrefix(text, "0x"), "0X")
	return len(digits) >= 8 && strings.Trim(digits, "0123456789abcdefABCDEF") == ""
}

// parseIndex reads a list in its form for programs (draft-shaw-openpgp-hkp-00,
// 5.2): lines of fields, of which the last ones may be missing.
func parseIndex(text string) (list []Entry, err error) {
	count := -1
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ":")
		field := func(i int) string {
			if i < len(f) {
				return f[i]
			}
			return ""
		}
		switch field(0) {
		case "info":
			if count, err = strconv.Atoi(field(2)); err != nil || count < 0 || field(1) != "1" {
				return nil, fmt.Errorf("its first line is %.100q", strings.TrimSpace(line))
			}
		case "pub":
			e, err := parsePub(field)
			if err != nil {
				return nil, fmt.Errorf("%.100q: %w", strings.TrimSpace(line), err)
			}
			list = append(list, e)
		case "uid":
			if len(list) == 0 {
				return nil, errors.New("a user comes before a key")
			}
			last := &list[len(list)-1]
			last.Users = append(last.Users, unescape(field(1)))
		case "uat", "":
			// A picture, or nothing.
		default:
			if count < 0 {
				return nil, fmt.Errorf("it starts with %.100q", strings.TrimSpace(line))
			}
		}
		if len(list) > maxEntries {
			return nil, fmt.Errorf("it has more than %d keys", maxEntries)
		}
	}
	if count >= 0 && count != len(list) {
		return nil, fmt.Errorf("it has %d keys, and says %d", len(list), count)
	}
	return list, nil
}

// parsePub reads a key's line: pub:ID:ALGORITHM:BITS:CREATED:EXPIRES:FLAGS.
func parsePub(field func(int) string) (e Entry, err error) {
	e = Entry{ID: strings.ToUpper(field(1)), Status: "enabled", Users: []string{}}
	if !isID(e.ID) {
		return e, errors.New("the key has no ID")
	}
	numbers := make([]int64, 4)
	for i := range numbers {
		if text := field(i + 2); text != "" && text != "none" {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 0 || n > 1<<40 {
				return e, errors.New("a number is none")
			}
			numbers[i] = n
		}
	}
	e.Algorithm, e.Bits = int(numbers[0]), int(numbers[1])
	for to, seconds := range map[*time.Time]int64{&e.Created: numbers[2], &e.Expires: numbers[3]} {
		if seconds > 0 {
			*to = time.Unix(seconds, 0)
		}
	}
	for _, flag := range []struct{ letter, status string }{{"e", "expired"}, {"d", "disabled"}, {"r", "revoked"}} {
		if strings.Contains(field(6), flag.letter) {
			e.Status = flag.status
		}
	}
	return e, nil
}

// unescape undoes the escapes of a user, which some servers leave out.
func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}
