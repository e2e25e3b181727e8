package transaction

import (
	"encoding/binary"

	"onecard/ledger"
	"onecard/ledger/money"
)

// refund is how much of an original has been given back, by its reversal or at a desk.
type refund struct {
	original uint64
	amount   money.Fen
}

// refunds are all refunds of the ledger's life. They grow with it, so a checkpoint freezes their table and leaves the owner alone.
type refunds struct {
	rows ledger.Table[refund]
	of   map[uint64]uint32 // row by original
}

func newRefunds() refunds { return refunds{of: make(map[uint64]uint32)} }

// sum is how much of an original has been given back.
func (r *refunds) sum(original uint64) money.Fen {
	if row, there := r.of[original]; there {
		return r.rows.At(row).amount
	}
	return 0
}

func (r *refunds) add(original uint64, amount money.Fen) {
	if row, there := r.of[original]; there {
		r.rows.Edit(row).amount += amount
		return
	}
	r.of[original] = r.rows.Append(refund{original, amount})
}

func encodeRefund(dst []byte, r *refund) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, r.original), uint64(r.amount))
}

func (r *refunds) restore(part []byte) error {
	p := payloadReader{b: part}
	for len(p.b) > 0 && !p.bad {
		r.add(p.uvarint(), money.Fen(p.uvarint()))
	}
	return p.done(KindRefund)
}
