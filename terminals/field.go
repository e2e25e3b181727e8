package terminals

import (
	"errors"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/transform"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// balanceField is F54: account type 10, amount type 02 (available), currency 156, sign and twelve digits of fen, made six by six,
// since each waits for the one behind it.
func balanceField(balance money.Fen) (f [20]byte) {
	copy(f[:], "1002156C")
	amount := uint64(balance)
	if balance < 0 {
		f[7], amount = 'D', -amount
	}
	front, back := uint32(amount/1e6%1e6), uint32(amount%1e6)
	for i := 5; i >= 0; i-- {
		f[8+i], f[14+i] = byte('0'+front%10), byte('0'+back%10)
		front, back = front/10, back/10
	}
	return f
}

// sentenceBytes is the most of F56.
const sentenceBytes = 255

// sentences are the holder's texts in GBK. Those without numbers are encoded once.
type sentences struct {
	encoder *encoding.Encoder
	fixed   [256][]byte
	scratch [sentenceBytes]byte
}

func newSentences() sentences { return sentences{encoder: simplifiedchinese.GBK.NewEncoder()} }

// of returns the sentence, good until the next call.
func (t *sentences) of(r transaction.Reason, n transaction.Numbers) []byte {
	if n != (transaction.Numbers{}) {
		return t.gbk(r.Sentence(n))
	}
	if t.fixed[r] == nil {
		t.fixed[r] = append([]byte{}, t.gbk(r.Sentence(n))...)
	}
	return t.fixed[r]
}

// gbk encodes a text; characters that GBK does not have become '?', and what does not fit the field is left out whole.
func (t *sentences) gbk(text string) []byte {
	size := 0
	for _, character := range text {
		var utf [utf8.UTFMax]byte
		n, _, err := t.encoder.Transform(t.scratch[size:], utf[:utf8.EncodeRune(utf[:], character)], true)
		switch {
		case err == nil:
			size += n
		case errors.Is(err, transform.ErrShortDst) || size == sentenceBytes:
			return t.scratch[:size]
		default:
			t.scratch[size] = '?'
			size++
		}
	}
	return t.scratch[:size]
}
