package iso8583

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/emmansun/gmsm/sm4"
)

// Secret is key material. It prints as [REDACTED] whatever the verb or the encoder.
type Secret []byte

const redacted = "[REDACTED]"

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format keeps %x and %d from printing the bytes.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// KeyScheme is the kind of keys a terminal works with; the sign-on's F60.3 names it (wire handbook 3.3).
type KeyScheme uint8

const (
	SchemeSingleDES KeyScheme = iota + 1 // 001
	SchemeDoubleDES                      // 003, and 004 with a track key
	SchemeSM4                            // 005, and 006 with a track key
	SchemeAES                            // 007, ours: AES-128 keys under an AES-128 master key
)

var schemeCodes = map[uint16]KeyScheme{1: SchemeSingleDES, 3: SchemeDoubleDES, 5: SchemeSM4, 7: SchemeAES}

// SchemeOfCode reads F60.3 of a sign-on.
func SchemeOfCode(code uint16) (KeyScheme, bool) {
	s, ok := schemeCodes[code]
	return s, ok
}

// Code is F60.3 of a sign-on for the scheme.
func (s KeyScheme) Code() uint16 { return uint16(2*s) - 1 }

// SchemeOf is the kind of keys that a MAC mode needs.
func SchemeOf(m MACMode) KeyScheme {
	switch m {
	case MACCUPDES:
		return SchemeDoubleDES
	case MACCUP3DES, MACX919:
		return SchemeDoubleDES
	case MACCUPSM4, MACSM4CBC:
		return SchemeSM4
	}
	return SchemeAES
}

// PINBlockLength is the length of F52.
func (s KeyScheme) PINBlockLength() int {
	if s == SchemeSM4 || s == SchemeAES {
		return 16
	}
	return 8
}

// newCipher makes the block cipher of a scheme's key.
func (s KeyScheme) newCipher(key []byte) (cipher.Block, error) {
	switch {
	case s == SchemeSM4 && len(key) == 16:
		return sm4.NewCipher(key)
	case s == SchemeAES && len(key) == 16:
		return aes.NewCipher(key)
	case s <= SchemeDoubleDES && len(key) == 16:
		return tripleDES(key)
	case s <= SchemeDoubleDES && len(key) == 8:
		return des.NewCipher(key)
	}
	return nil, fmt.Errorf("a key of %d bytes does not fit key scheme %03d", len(key), s.Code())
}

// CheckValue is the first four bytes of zeros enciphered under the key; for AES the first four bytes of CMAC over sixteen zeros, which
// tells nothing that ECB uses elsewhere.
func CheckValue(s KeyScheme, key []byte) ([4]byte, error) {
	if s == SchemeAES {
		mac, err := NewMAC(MACAESCMAC, key)
		if err != nil {
			return [4]byte{}, err
		}
		sum := mac.Sum(nil, make([]byte, 16))
		return [4]byte(sum[:4]), nil
	}
	block, err := s.newCipher(key)
	if err != nil {
		return [4]byte{}, err
	}
	out := make([]byte, block.BlockSize())
	block.Encrypt(out, out)
	return [4]byte(out[:4]), nil
}

// WorkingKeys are a session's keys.
type WorkingKeys struct{ PIN, MAC Secret }

// KeySizes are the bytes of the PIN and MAC keys of a scheme. The MAC key of single and double DES with the CUP MAC has eight significant
// bytes; a double-length MAC key has sixteen.
func keySizes(s KeyScheme, m MACMode) (pin, mac int) {
	switch {
	case s == SchemeSingleDES:
		return 8, 8
	case m == MACCUPDES:
		return 16, 8
	}
	return 16, 16
}

// DrawWorkingKeys makes keys from random bytes that read supplies.
func DrawWorkingKeys(m MACMode, read func([]byte) error) (WorkingKeys, error) {
	pin, mac := keySizes(SchemeOf(m), m)
	k := WorkingKeys{make(Secret, pin), make(Secret, mac)}
	if err := read(k.PIN); err != nil {
		return WorkingKeys{}, fmt.Errorf("drawing working keys: %w", err)
	}
	if err := read(k.MAC); err != nil {
		return WorkingKeys{}, fmt.Errorf("drawing working keys: %w", err)
	}
	return k, nil
}

// WrapWorkingKeys enciphers the keys under the terminal's master key: F62 of a sign-on reply. Each key is followed by its check value; an
// eight-byte MAC key is filled with eight zeros when the PIN key has sixteen bytes (wire handbook 3.3, code 003).
func WrapWorkingKeys(s KeyScheme, tmk Secret, k WorkingKeys) ([]byte, error) {
	master, err := s.newCipher(tmk)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	var out []byte
	for _, key := range []Secret{k.PIN, k.MAC} {
		value, err := CheckValue(schemeOfKey(s, key), key)
		if err != nil {
			return nil, err
		}
		out = ecb(out, master.Encrypt, master.BlockSize(), key)
		if len(key) < len(k.PIN) {
			out = append(out, make([]byte, len(k.PIN)-len(key))...)
		}
		out = append(out, value[:]...)
	}
	return out, nil
}

func schemeOfKey(s KeyScheme, key Secret) KeyScheme {
	if len(key) == 8 {
		return SchemeSingleDES
	}
	return s
}

func ecb(dst []byte, crypt func(dst, src []byte), size int, src []byte) []byte {
	for ; len(src) >= size; src = src[size:] {
		at := len(dst)
		dst = append(dst, src[:size]...)
		crypt(dst[at:], dst[at:])
	}
	return dst
}

// ErrCheckValue says that a key does not have the check value that came with it: it must not be used.
var ErrCheckValue = errors.New("key check value does not match")

// UnwrapWorkingKeys is what a terminal does with F62.
func UnwrapWorkingKeys(s KeyScheme, m MACMode, tmk Secret, field62 []byte) (WorkingKeys, error) {
	master, err := s.newCipher(tmk)
	if err != nil {
		return WorkingKeys{}, fmt.Errorf("master key: %w", err)
	}
	pin, mac := keySizes(s, m)
	if len(field62) != 2*(pin+4) {
		return WorkingKeys{}, fmt.Errorf("keys of %d bytes, %d expected", len(field62), 2*(pin+4))
	}
	k := WorkingKeys{
		PIN: ecb(nil, master.Decrypt, master.BlockSize(), field62[:pin]),
		MAC: ecb(nil, master.Decrypt, master.BlockSize(), field62[pin+4:pin+4+mac]),
	}
	for _, part := range []struct {
		key   Secret
		value []byte
	}{{k.PIN, field62[pin : pin+4]}, {k.MAC, field62[2*pin+4:]}} {
		value, err := CheckValue(schemeOfKey(s, part.key), part.key)
		if err != nil {
			return WorkingKeys{}, err
		}
		if subtle.ConstantTimeCompare(value[:], part.value) != 1 {
			return WorkingKeys{}, ErrCheckValue
		}
	}
	return k, nil
}

// SealKey enciphers a terminal's master key for the ledger: AES-256-GCM under the site key, the label (the terminal's code) authenticated
// with it. nonce is twelve random bytes.
func SealKey(site Secret, nonce, label []byte, key Secret) ([]byte, error) {
	gcm, err := siteCipher(site)
	if err != nil {
		return nil, err
	}
	if len(nonce) != gcm.NonceSize() {
		return nil, fmt.Errorf("nonce of %d bytes", len(nonce))
	}
	return gcm.Seal(append([]byte(nil), nonce...), nonce, key, label), nil
}

// OpenKey is the reverse of SealKey.
func OpenKey(site Secret, label, sealed []byte) (Secret, error) {
	gcm, err := siteCipher(site)
	if err != nil {
		return nil, err
	}
	if len(sealed) < gcm.NonceSize() {
		return nil, errors.New("sealed key is too short")
	}
	key, err := gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], label)
	if err != nil {
		return nil, errors.New("sealed key does not open: it was sealed under another site key or for another terminal")
	}
	return key, nil
}

func siteCipher(site Secret) (cipher.AEAD, error) {
	if len(site) != 32 {
		return nil, fmt.Errorf("site key of %d bytes, 32 expected", len(site))
	}
	block, err := aes.NewCipher(site)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
