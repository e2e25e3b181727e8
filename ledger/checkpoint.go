package ledger

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"onecard/ledger/money"
)

// Section is one table of a checkpoint, written in parts by a goroutine of its own while the owner goes on.
type Section struct {
	Name   string
	Parts  uint32
	Encode func(dst []byte, part uint32) []byte // appends the rows of one part; once for each, by one goroutine at a time
}

// Snapshot is the whole state at one head, ready to be written.
type Snapshot struct {
	Head     Head
	Sections []Section
	// Gentle: entries are appended meanwhile, and should not wait for the checkpoint.
	Gentle bool
	// Sharing is ended by whoever has written the snapshot, or does not want it. Nil: the sections can be read at any time.
	Sharing *Sharing
}

// Stored is a checkpoint that can be read back, by several goroutines at once.
type Stored interface {
	Head() Head
	// Section calls visit with each part of the named section in order; its bytes are good until visit returns. An unknown section has no
	// parts. An error after the last part says that they are not what was written.
	Section(name string, visit func(part []byte) error) error
}

// Names of the book's own sections.
const (
	sectionAccounts = "ledger.accounts"
	sectionHolds    = "ledger.holds"
	sectionTotals   = "ledger.totals"
)

// Sections shares the book for a checkpoint, as its tables are shared (Table.Section): constant time per 512 accounts plus the open holds.
func (b *Book) Sections(how *Sharing) []Section {
	holds := make([]Hold, 0, len(b.holds))
	for _, h := range b.holds {
		holds = append(holds, h)
	}
	sortHolds(holds)
	totals := binary.BigEndian.AppendUint64(nil, b.sequence)
	totals = binary.BigEndian.AppendUint64(totals, uint64(b.credits))
	totals = binary.BigEndian.AppendUint64(totals, uint64(b.debits))
	return []Section{
		b.accounts.Section(how, sectionAccounts, encodeAccount),
		Whole(sectionHolds, encodeHolds(holds)),
		Whole(sectionTotals, totals),
	}
}

// Whole is a section of one part whose contents are known already: for tables that stay small.
func Whole(name string, contents []byte) Section {
	return Section{Name: name, Parts: 1, Encode: func(dst []byte, _ uint32) []byte { return append(dst, contents...) }}
}

// RestoreBook reads a book back from a checkpoint and checks its own sums.
func RestoreBook(stored Stored) (*Book, error) {
	b := &Book{holds: make(map[uint64]Hold)}
	err := stored.Section(sectionAccounts, func(part []byte) error { return b.accounts.Restore(part, decodeAccount) })
	if err != nil {
		return nil, fmt.Errorf("reading accounts from the checkpoint: %w", err)
	}
	if err := stored.Section(sectionHolds, b.restoreHolds); err != nil {
		return nil, fmt.Errorf("reading holds from the checkpoint: %w", err)
	}
	err = stored.Section(sectionTotals, func(part []byte) error {
		if len(part) != 24 {
			return ErrMalformed
		}
		b.sequence = binary.BigEndian.Uint64(part)
		b.credits = money.Fen(binary.BigEndian.Uint64(part[8:]))
		b.debits = money.Fen(binary.BigEndian.Uint64(part[16:]))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading totals from the checkpoint: %w", err)
	}
	b.restoreControls()
	if b.sequence != stored.Head().Sequence || b.credits != b.debits || b.accounts.Len() == 0 || b.Sum() != 0 {
		return nil, fmt.Errorf("checkpoint at %d does not balance: %w", stored.Head().Sequence, ErrMalformed)
	}
	return b, nil
}

func encodeAccount(dst []byte, a *Account) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.Balance))
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.Held))
	dst = binary.BigEndian.AppendUint16(dst, uint16(a.Code))
	return append(dst, byte(a.State), byte(a.Flags)|byte(a.Set)<<4)
}

func decodeAccount(src []byte, a *Account) ([]byte, error) {
	if len(src) < 20 {
		return nil, ErrMalformed
	}
	*a = Account{
		Balance: money.Fen(binary.BigEndian.Uint64(src)),
		Held:    money.Fen(binary.BigEndian.Uint64(src[8:])),
		Code:    AccountCode(binary.BigEndian.Uint16(src[16:])),
		State:   AccountState(src[18]),
		Flags:   AccountFlags(src[19] & 0x0F),
		Set:     AccountSet(src[19] >> 4),
	}
	return src[20:], nil
}

const holdSize = 32

func encodeHolds(holds []Hold) []byte {
	var dst []byte
	for _, h := range holds {
		dst = binary.BigEndian.AppendUint64(dst, h.ID)
		dst = binary.BigEndian.AppendUint32(dst, uint32(h.From))
		dst = binary.BigEndian.AppendUint32(dst, uint32(h.To))
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.Amount))
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.Expires))
	}
	return dst
}

func (b *Book) restoreHolds(part []byte) error {
	for ; len(part) >= holdSize; part = part[holdSize:] {
		h := Hold{
			ID:      binary.BigEndian.Uint64(part),
			From:    AccountID(binary.BigEndian.Uint32(part[8:])),
			To:      AccountID(binary.BigEndian.Uint32(part[12:])),
			Amount:  money.Fen(binary.BigEndian.Uint64(part[16:])),
			Expires: int64(binary.BigEndian.Uint64(part[24:])),
		}
		b.holds[h.ID] = h
	}
	if len(part) != 0 {
		return ErrMalformed
	}
	return nil
}

func sortHolds(holds []Hold) {
	slices.SortFunc(holds, func(a, b Hold) int { return cmp.Compare(a.ID, b.ID) })
}
