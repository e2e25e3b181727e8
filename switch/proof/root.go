package proof

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"onecard/ledger"
	"onecard/ledger/merkle"
)

// domain sets these signatures apart from anything else that the key may ever sign.
const domain = "onecard day root v1\n"

// Hex is bytes that stand as hexadecimal digits in JSON.
type Hex []byte

// MarshalText writes lower-case digits.
func (h Hex) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// UnmarshalText reads digits.
func (h *Hex) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// Day is a business day, in days since 1970 at the site. It stands as a date.
type Day uint32

const (
	secondsPerDay = 86_400
	dayForm       = "2006-01-02"
)

func (d Day) String() string { return time.Unix(int64(d)*secondsPerDay, 0).UTC().Format(dayForm) }

// MarshalText writes a date.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a date.
func (d *Day) UnmarshalText(text []byte) error {
	t, err := time.Parse(dayForm, string(text))
	if err != nil || t.Unix() < 0 {
		return fmt.Errorf("%q 不是日期 / is not a date", text)
	}
	*d = Day(t.Unix() / secondsPerDay)
	return nil
}

// Root is the root of a day with the site's signature.
type Root struct {
	Day       Day    `json:"day"`
	Complete  bool   `json:"complete"` // false: provisional, the day may still grow
	TreeSize  uint64 `json:"tree_size"`
	Root      Hex    `json:"root"`
	LastBlock Hex    `json:"last_block"`
	PublicKey Hex    `json:"public_key"`
	Signature Hex    `json:"signature"`
}

// message is what is signed. REQUIRES: root, block and key of 32 bytes.
func (r *Root) message() []byte {
	complete := byte(0)
	if r.Complete {
		complete = 1
	}
	m := append([]byte(domain), r.PublicKey...)
	m = append(binary.BigEndian.AppendUint32(m, uint32(r.Day)), complete)
	m = binary.BigEndian.AppendUint64(m, r.TreeSize)
	return append(append(m, r.Root...), r.LastBlock...)
}

// SignDay signs the root of a closed day.
func SignDay(day Day, treeSize uint64, root merkle.Hash, lastBlock ledger.Hash, key ed25519.PrivateKey) Root {
	r := Root{Day: day, Complete: true, TreeSize: treeSize, Root: root[:], LastBlock: lastBlock[:]}
	r.sign(key)
	return r
}

// Check says whether the site has signed this root: nil or what is wrong.
func (r *Root) Check(site ed25519.PublicKey) error { return r.check(site) }

func (r *Root) sign(key ed25519.PrivateKey) {
	r.PublicKey = Hex(key.Public().(ed25519.PublicKey))
	r.Signature = ed25519.Sign(key, r.message())
}

// check says whether the site has signed this root: nil or what is wrong.
func (r *Root) check(site ed25519.PublicKey) error {
	if len(r.Root) != len(merkle.Hash{}) || len(r.LastBlock) != len(merkle.Hash{}) {
		return doesNotHold("日根或账块哈希长度不对 / the root or the block's hash has a wrong length")
	}
	if !site.Equal(ed25519.PublicKey(r.PublicKey)) {
		return doesNotHold("由另一把密钥签名:%x,不是所给的 %x / signed by another key: %[1]x, not the one given, %[2]x", []byte(r.PublicKey), []byte(site))
	}
	if !ed25519.Verify(site, r.message(), r.Signature) {
		return doesNotHold("%s 日根的签名不对 / the signature of the root of %[1]s is wrong", r.Day)
	}
	return nil
}
