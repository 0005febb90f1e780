package gocryptfs

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/scrypt"

	"github.com/sealift/sealift/buildcfg/hint"
)

// ConfigName is the name of the file with the configuration, in the directory
// of the encrypted files.
const ConfigName = "gocryptfs.conf"

// MaxConfig is how many bytes a configuration has at most; real ones have half
// a kilobyte.
const MaxConfig = 64 << 10

// MaxPassword is the longest password that gocryptfs reads, in bytes.
const MaxPassword = 2048

// ErrPassword is wrapped when a password does not open a configuration.
var ErrPassword = errors.New("wrong passphrase or key")

// The flags of a configuration (its FeatureFlags) that are known here. Names are
// plain, as only file contents are read.
const (
	flagHKDF       = "HKDF"
	flagGCM        = "GCMIV128"
	flagXChaCha    = "XChaCha20Poly1305"
	flagPlainNames = "PlaintextNames"
)

const (
	version = 2  // of the format on disk
	keySize = 32 // bytes of every key
)

// What scrypt may cost, and the least that gocryptfs accepts. Its default, which
// Apptainer uses, takes 64 MiB.
const (
	minN, defaultN = 1 << 10, 1 << 16
	defaultR       = 8
	defaultP       = 1
	maxScrypt      = 256 << 20 // bytes
	maxP           = 16
	minSalt        = 32
	maxSalt        = 1024
)

// Config is the contents of gocryptfs.conf: which cipher files are encrypted
// with, and the master key, encrypted with a password.
type Config struct {
	Creator      string
	EncryptedKey []byte
	ScryptObject struct {
		Salt            []byte
		N, R, P, KeyLen int
	}
	Version      int
	FeatureFlags []string
}

// ParseConfig reads a configuration. It is untrusted: what it makes Unlock do is
// bounded.
func ParseConfig(text []byte) (*Config, error) {
	c := &Config{}
	if len(text) > MaxConfig {
		return nil, fmt.Errorf("%s has %d bytes; the limit is %d", ConfigName, len(text), MaxConfig)
	}
	err := json.Unmarshal(text, c)
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ConfigName, err)
	}
	return c, nil
}

func (c *Config) check() error {
	if c.Version != version {
		return fmt.Errorf("version %d of the format is not %d", c.Version, version)
	}
	for _, f := range c.FeatureFlags {
		if !slices.Contains([]string{flagHKDF, flagGCM, flagXChaCha, flagPlainNames}, f) {
			err := fmt.Errorf("the feature %q is not known here", f)
			return hint.Wrap(err, "make the image again with sealift build --encrypt, or with Apptainer's")
		}
	}
	if !c.has(flagHKDF) || !c.has(flagPlainNames) || c.has(flagGCM) == c.has(flagXChaCha) {
		return fmt.Errorf("its features %q are not those of an encrypted image", c.FeatureFlags)
	}
	return c.checkScrypt()
}

// checkScrypt refuses what is too cheap to be safe, and what costs more memory
// or time than any passphrase is worth.
func (c *Config) checkScrypt() error {
	s := c.ScryptObject
	switch {
	case s.N < minN || s.N&(s.N-1) != 0 || s.R < defaultR || s.P < 1 || s.P > maxP:
	case s.N > maxScrypt/128 || s.R > maxScrypt/128/s.N:
	case s.KeyLen != keySize || len(s.Salt) < minSalt || len(s.Salt) > maxSalt:
	case len(c.EncryptedKey) != gcm.overhead()+keySize:
		return fmt.Errorf("an encrypted key of %d bytes", len(c.EncryptedKey))
	default:
		return nil
	}
	return fmt.Errorf("parameters of scrypt that nobody can mean: N=%d, r=%d, p=%d, %d bytes of %d of salt",
		s.N, s.R, s.P, s.KeyLen, len(s.Salt))
}

func (c *Config) has(flag string) bool { return slices.Contains(c.FeatureFlags, flag) }

// Unlock returns the cipher of the files. The error wraps ErrPassword where the
// password is not the one. It takes the memory of scrypt: 128·N·r bytes.
func (c *Config) Unlock(password []byte) (*Cipher, error) {
	wrap, err := c.wrapping(password)
	if err != nil {
		return nil, err
	}
	master, err := wrap.open(nil, c.EncryptedKey, wrap.associated(nil, 0))
	if err != nil {
		return nil, ErrPassword
	}
	k := gcm
	if c.has(flagXChaCha) {
		k = xchacha
	}
	return newCipher(k, master)
}

// wrapping returns the cipher that the master key is encrypted with, as the only
// block of a file without header.
func (c *Config) wrapping(password []byte) (*Cipher, error) {
	s := c.ScryptObject
	derived, err := scrypt.Key(password, s.Salt, s.N, s.R, s.P, s.KeyLen)
	if err != nil {
		return nil, err
	}
	return newCipher(gcm, derived)
}

// NewConfig makes the configuration of a new master key, which the password
// opens, and returns the file's text and the cipher. A password that a program made
// at random cannot be guessed, so it need not be made costly to try.
func NewConfig(password []byte, atRandom bool) (text []byte, files *Cipher, err error) {
	c := &Config{Creator: "Sealift", Version: version, FeatureFlags: []string{flagHKDF, flagGCM, flagPlainNames}}
	s := &c.ScryptObject
	s.Salt, s.N, s.R, s.P, s.KeyLen = random(minSalt), defaultN, defaultR, defaultP, keySize
	if atRandom {
		s.N = minN
	}
	wrap, err := c.wrapping(password)
	if err != nil {
		return nil, nil, err
	}
	master := random(keySize)
	if files, err = newCipher(gcm, master); err != nil {
		return nil, nil, err
	}
	c.EncryptedKey = wrap.seal(nil, random(wrap.nonceSize), master, wrap.associated(nil, 0))
	text, err = json.MarshalIndent(c, "", "\t")
	return append(text, '\n'), files, err
}

// random returns n random bytes. crypto/rand never fails: it ends the program.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
