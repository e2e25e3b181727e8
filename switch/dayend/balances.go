package dayend

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"onecard/ledger"
	"onecard/ledger/money"
)

// Balances is what every account held at one point of the log, by account number; row 0 is no account. It is carried from day to day, so
// that closing a day needs the blocks of that day alone.
type Balances struct {
	Head ledger.Head
	Fen  []money.Fen
}

// NewBalances are those of a ledger before its first entry.
func NewBalances() Balances { return Balances{Fen: make([]money.Fen, 1)} }

// Post moves the balances on by one entry. It is false for a leg of an account that was never opened.
func (b *Balances) Post(e *ledger.Entry) bool {
	for i := range e.Legs {
		id := int(e.Legs[i].Account)
		if id == 0 || id >= len(b.Fen) {
			return false
		}
		b.Fen[id] += e.Legs[i].Amount
	}
	for range e.Opens {
		b.Fen = append(b.Fen, 0)
	}
	return true
}

// TakeBack undoes the postings of a block, in any order of blocks. Accounts that it opened stay: see Drop.
func (b *Balances) TakeBack(block ledger.Block) (opened int, err error) {
	err = block.Each(func(_ uint64, e *ledger.Entry) error {
		for i := range e.Legs {
			b.Fen[e.Legs[i].Account] -= e.Legs[i].Amount
		}
		opened += len(e.Opens)
		return nil
	})
	return opened, err
}

// Drop leaves out the newest accounts.
func (b *Balances) Drop(accounts int) { b.Fen = b.Fen[:len(b.Fen)-accounts] }

// PostBlock moves the balances on by one block.
func (b *Balances) PostBlock(block ledger.Block) error {
	err := block.Each(func(sequence uint64, e *ledger.Entry) error {
		if !b.Post(e) {
			return fmt.Errorf("entry %d moves an account that was never opened: %w", sequence, ledger.ErrMalformed)
		}
		return nil
	})
	b.Head = block.Head()
	return err
}

// Clone is a copy that can be moved on by itself.
func (b *Balances) Clone() Balances { return Balances{b.Head, append([]money.Fen(nil), b.Fen...)} }

// As they stand in a file, integers big-endian; accounts from number 1 on:
//
//	0   "onecard balances v1\n"
//	20  sequence of the last entry u64
//	28  hash of its block, 32 bytes
//	60  accounts u32
//	64  balance i64 ...
//	    SHA-256 of all that, 32 bytes: the digest
const (
	balancesMagic  = "onecard balances v1\n"
	balancesHeader = 64
)

// Encode returns the file, whose last 32 bytes are the digest.
func (b *Balances) Encode() []byte {
	file := make([]byte, 0, balancesHeader+8*len(b.Fen)+sha256.Size)
	file = append(file, balancesMagic...)
	file = binary.BigEndian.AppendUint64(file, b.Head.Sequence)
	file = append(file, b.Head.Hash[:]...)
	file = binary.BigEndian.AppendUint32(file, uint32(len(b.Fen)-1))
	for _, balance := range b.Fen[1:] {
		file = binary.BigEndian.AppendUint64(file, uint64(balance))
	}
	sum := sha256.Sum256(file)
	return append(file, sum[:]...)
}

// Digest is the SHA-256 over the balances as they stand in a file: what the statement of a day says of them.
func (b *Balances) Digest() [sha256.Size]byte {
	file := b.Encode()
	return [sha256.Size]byte(file[len(file)-sha256.Size:])
}

// DecodeBalances reads a file.
func DecodeBalances(file []byte) (Balances, error) {
	body := len(file) - sha256.Size
	if body < balancesHeader || !bytes.HasPrefix(file, []byte(balancesMagic)) {
		return Balances{}, fmt.Errorf("balances of %d bytes: %w", len(file), ledger.ErrMalformed)
	}
	if sum := sha256.Sum256(file[:body]); !bytes.Equal(sum[:], file[body:]) {
		return Balances{}, fmt.Errorf("balances that do not match their digest: %w", ledger.ErrMalformed)
	}
	n := int(binary.BigEndian.Uint32(file[60:]))
	if body-balancesHeader != 8*n {
		return Balances{}, fmt.Errorf("balances of %d accounts in %d bytes: %w", n, len(file), ledger.ErrMalformed)
	}
	b := Balances{Head: ledger.Head{Sequence: binary.BigEndian.Uint64(file[20:]), Hash: ledger.Hash(file[28:60])}, Fen: make([]money.Fen, n+1)}
	for i := range n {
		b.Fen[i+1] = money.Fen(binary.BigEndian.Uint64(file[balancesHeader+8*i:]))
	}
	return b, nil
}
