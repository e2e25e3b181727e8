package emulator

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// Memory is what terminals were told: one record for every authentic answer, repeats included. After a load or a crash it is held
// against the ledger (onecard verify --receipts): what a terminal was told must be there, once. It belongs to one goroutine.
//
// The file, all integers big-endian:
//
//	"ONECARD-RCPT" | version u32 = 1
//	records of 48 bytes:
//	 0 class u8 (1 original, 2 reversal) | 1 kind u8 | 2 code 2 bytes | 4 batch u32 | 8 trace u32 | 12 terminal 8 bytes |
//	20 reference 12 bytes | 32 amount u64 fen | 40 card u64
//
// Records are kept as they are written, in chunks, so that remembering costs a copy of 48 bytes.
type Memory struct {
	chunks [][]byte
	spilt  int64 // records written out by Spill
	count  int64
	stored int64 // with a reference that is a number: answers that the ledger must hold
	codes  map[codeKey]int64
	last   codeCount // the code seen last, counted apart: nearly all are the same
}

type codeKey struct {
	kind Kind
	code ResponseCode
}

type codeCount struct {
	key   codeKey
	count int64
}

const (
	receiptMagic   = "ONECARD-RCPT"
	receiptVersion = 1
	receiptBytes   = 48
	chunkReceipts  = 16 << 10
)

// NewMemory makes an empty one.
func NewMemory() *Memory { return &Memory{codes: make(map[codeKey]int64)} }

// Remember keeps an answer of a terminal. What is not authentic, and what moves nothing (sign-on, echo), is passed over.
func (m *Memory) Remember(terminal string, a *Answer) {
	if !a.Authentic || a.Kind < KindBalance || a.Kind > KindPassage {
		return
	}
	if n := len(m.chunks); n == 0 || len(m.chunks[n-1]) == cap(m.chunks[n-1]) {
		m.chunks = append(m.chunks, make([]byte, 0, chunkReceipts*receiptBytes))
	}
	last := &m.chunks[len(m.chunks)-1]
	at := len(*last)
	*last = (*last)[:at+receiptBytes]
	r := (*last)[at:]
	r[0] = 1
	if a.Kind == KindReversal {
		r[0] = 2
	}
	r[1] = byte(a.Kind)
	copy(r[2:4], a.Code[:])
	binary.BigEndian.PutUint32(r[4:], a.Batch)
	binary.BigEndian.PutUint32(r[8:], a.Trace)
	copy(r[12:20], terminal)
	copy(r[20:32], a.Reference[:])
	binary.BigEndian.PutUint64(r[32:], uint64(a.Amount))
	binary.BigEndian.PutUint64(r[40:], a.Card)
	m.count++
	if a.Reference[0] >= '0' && a.Reference[0] <= '9' {
		m.stored++
	}
	if key := (codeKey{a.Kind, a.Code}); key != m.last.key {
		m.codes[m.last.key] += m.last.count
		m.last = codeCount{key: key}
	}
	m.last.count++
}

// Len is how many answers are remembered.
func (m *Memory) Len() int64 { return m.count }

// Stored is how many of them the ledger must hold: the switch gives an answer that it does not store a reference that begins with a letter.
func (m *Memory) Stored() int64 { return m.stored }

// Codes calls visit with how many answers of a kind had a code, in order.
func (m *Memory) Codes(visit func(kind Kind, code ResponseCode, count int64)) {
	m.codes[m.last.key] += m.last.count
	m.last.count = 0
	keys := make([]codeKey, 0, len(m.codes))
	for key := range m.codes {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b codeKey) int {
		return slices.Compare([]byte{byte(a.kind), a.code[0], a.code[1]}, []byte{byte(b.kind), b.code[0], b.code[1]})
	})
	for _, key := range keys {
		if n := m.codes[key]; n > 0 {
			visit(key.kind, key.code, n)
		}
	}
}

// Approved and Refused count answers with code 00 and with others; reversals and passages are counted too.
func (m *Memory) Approved() int64 {
	n := int64(0)
	m.Codes(func(_ Kind, code ResponseCode, count int64) {
		if code == Approved {
			n += count
		}
	})
	return n
}

// Refused is how many answers were not 00.
func (m *Memory) Refused() int64 { return m.count - m.Approved() }

// WriteTo writes the file, unless parts were spilt elsewhere.
func (m *Memory) WriteTo(w io.Writer) (int64, error) {
	if m.spilt != 0 {
		return 0, fmt.Errorf("%d of %d receipts were written out before", m.spilt, m.count)
	}
	written, err := w.Write(ReceiptsHeader())
	total := int64(written)
	for i := 0; err == nil && i < len(m.chunks); i++ {
		written, err = w.Write(m.chunks[i])
		total += int64(written)
	}
	if err != nil {
		return total, fmt.Errorf("writing receipts: %w", err)
	}
	return total, nil
}

// Spill appends the records to a file that begins with ReceiptsHeader and forgets them, so that a long run does not fill the memory.
func (m *Memory) Spill(w io.Writer) error {
	for _, chunk := range m.chunks {
		if _, err := w.Write(chunk); err != nil {
			return fmt.Errorf("writing receipts: %w", err)
		}
		m.spilt += int64(len(chunk) / receiptBytes)
	}
	m.chunks = m.chunks[:min(len(m.chunks), 1)]
	if len(m.chunks) == 1 {
		m.chunks[0] = m.chunks[0][:0]
	}
	return nil
}

// ReceiptsHeader is how the file begins.
func ReceiptsHeader() []byte {
	return binary.BigEndian.AppendUint32([]byte(receiptMagic), receiptVersion)
}
