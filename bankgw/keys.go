package bankgw

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"onecard/switch/iso8583"
)

// Keys are what a bank and we share. The MAC key may be changed over the link (see rekey.go); then Keep is told before the bank is, so that a
// restart signs with the right one.
type Keys struct {
	MAC iso8583.Secret // in force
	// Former was in force before; messages that come in may be signed with it until Until. nil: none.
	Former iso8583.Secret
	Until  time.Time
	Since  time.Time // when MAC came over the link; zero: it was given by hand
	// Retired are the fingerprints of keys that are in force no longer: a recorded key change that is played again must not bring one back.
	Retired []KeyFingerprint
	// ZMK is the zone master key that new keys come under. nil: they are not changed over the link.
	ZMK iso8583.Secret
	// CheckValue of MAC is filled in for Keep.
	CheckValue string
	// Keep stores the others durably. nil: they last as long as the gateway.
	Keep func(Keys) error
}

// KeyFingerprint knows a key again without saying it.
type KeyFingerprint [16]byte

// MarshalText writes digits.
func (f KeyFingerprint) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, f[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (f *KeyFingerprint) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(f) {
		return fmt.Errorf("a key's fingerprint of %d digits", len(text))
	}
	_, err := hex.Decode(f[:], text)
	return err
}

// FingerprintOf is the front of SHA-256 of a key and what it is for.
func FingerprintOf(key iso8583.Secret) KeyFingerprint {
	sum := sha256.Sum256(append([]byte("onecard bank key "), key...))
	return KeyFingerprint(sum[:len(KeyFingerprint{})])
}

// retiredKeysMax bounds Retired; the oldest go first.
const retiredKeysMax = 4096

// next is what stands when a new key has come.
func (k Keys) next(key iso8583.Secret, now time.Time, overlap time.Duration) Keys {
	k.Retired = append(slices.Clone(k.Retired), FingerprintOf(k.MAC))
	k.Retired = k.Retired[max(0, len(k.Retired)-retiredKeysMax):]
	k.MAC, k.Former, k.Until, k.Since = key, k.MAC, now.Add(overlap), now
	return k
}

// keyRing is what messages that come in may be signed with. Run changes it, the lines' goroutines look at it for each message.
type keyRing struct {
	mode  iso8583.MACMode
	zmk   iso8583.Secret // never changed; nil: new keys are not taken
	inUse atomic.Pointer[Keys]
}

func newKeyRing(mode iso8583.MACMode, k Keys) *keyRing {
	r := &keyRing{mode: mode, zmk: k.ZMK}
	r.inUse.Store(&k)
	return r
}

// checker has the MACs of a ring's keys for one line.
type checker struct {
	ring         *keyRing
	of           *Keys // that the MACs are of
	current, old *iso8583.MAC
}

// now is the MAC of the key in force.
func (c *checker) now() *iso8583.MAC {
	if k := c.ring.inUse.Load(); k != c.of {
		c.of, c.old = k, nil
		c.current, _ = iso8583.NewMAC(c.ring.mode, k.MAC) // it was tried when it came
		if k.Former != nil {
			c.old, _ = iso8583.NewMAC(c.ring.mode, k.Former)
		}
	}
	return c.current
}

// former is the MAC of the key before, for what the one in force did not fit; nil when there is none, or its time is over.
func (c *checker) former(err error) *iso8583.MAC {
	if c.old == nil || !errors.Is(err, iso8583.ErrBankMAC) || !time.Now().Before(c.of.Until) {
		return nil
	}
	return c.old
}

// unwrap takes a new key out of its cover and makes its MAC.
func (c *checker) unwrap(wrapped, checkValue []byte) (iso8583.Secret, *iso8583.MAC, error) {
	key, err := iso8583.UnwrapKey(iso8583.SchemeOf(c.ring.mode), c.ring.zmk, wrapped, checkValue)
	if err != nil {
		return nil, nil, err
	}
	mac, err := iso8583.NewMAC(c.ring.mode, key)
	return key, mac, err
}

// newKeyTag stands before the key in F48.
const newKeyTag = "NK"

// checkValueBytes of a key are compared.
const checkValueBytes = 4

// cutNewKey takes the places of a new key apart: NK and the key, and its check value behind it or by itself, filled up behind.
func cutNewKey(field, checkValue []byte) (wrapped, value []byte, err error) {
	wrapped, tagged := bytes.CutPrefix(field, []byte(newKeyTag))
	if checkValue == nil && len(wrapped) > checkValueBytes {
		wrapped, checkValue = wrapped[:len(wrapped)-checkValueBytes], wrapped[len(wrapped)-checkValueBytes:]
	}
	if !tagged || len(checkValue) < checkValueBytes {
		return nil, nil, iso8583.ErrCheckValue
	}
	return wrapped, checkValue[:checkValueBytes], nil
}
