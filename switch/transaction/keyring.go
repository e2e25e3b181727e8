package transaction

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"

	"onecard/ledger"
)

// keyDays is how many business days a key is remembered. A client that repeats what it asked for a month ago is told that it is new.
const keyDays = 32

// keyed is what a key stands for.
type keyed struct {
	sequence uint64 // of the entry that it made
	contents uint64 // fingerprint of what was asked
	day      uint32
}

// keyring remembers the keys of operations and batches, oldest first.
type keyring struct {
	of    map[Key]keyed
	order []Key
}

func newKeyring() keyring { return keyring{of: make(map[Key]keyed)} }

func (k *keyring) remember(key Key, is keyed) {
	if key == (Key{}) {
		return
	}
	for len(k.order) > 0 && k.of[k.order[0]].day+keyDays < is.day {
		delete(k.of, k.order[0])
		k.order = k.order[1:]
	}
	if _, there := k.of[key]; !there {
		k.order = append(k.order, key)
	}
	k.of[key] = is
}

// contentsOf is a fingerprint of what is asked, without who asks it on which try.
func contentsOf(asked any) uint64 {
	encoded, _ := json.Marshal(asked) // structs of strings and numbers: it cannot fail
	sum := sha256.Sum256(encoded)
	return binary.BigEndian.Uint64(sum[:])
}

// contentsOfOperation leaves out what the bank said: asked once more under the same key, it may say it with another reference.
func contentsOfOperation(op *Operation) uint64 {
	asked := *op
	asked.BankReference = ""
	return contentsOf(&asked)
}

func (k *keyring) encode() []byte {
	var p []byte
	for _, key := range k.order {
		is := k.of[key]
		p = append(p, key[:]...)
		p = binary.BigEndian.AppendUint64(p, is.sequence)
		p = binary.BigEndian.AppendUint64(p, is.contents)
		p = binary.BigEndian.AppendUint32(p, is.day)
	}
	return p
}

func (k *keyring) restore(part []byte) error {
	p := payloadReader{b: part}
	for len(p.b) > 0 && !p.bad {
		key := Key(p.take(16))
		k.of[key] = keyed{p.u64(), p.u64(), p.u32()}
		k.order = append(k.order, key)
	}
	if p.bad {
		return ledger.ErrMalformed
	}
	return nil
}
