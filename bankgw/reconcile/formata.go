package reconcile

import (
	"bytes"
	"encoding/hex"

	"github.com/emmansun/gmsm/sm3"
)

const (
	fieldsHeaderA  = 6
	fieldsDetailA  = 9
	fieldsTrailerA = 4

	countDigits = 10
	sumDigits   = 19
	sumMax      = uint64(LinesMax) * uint64(AmountMax)
)

// split cuts a line of format A at its bars into exactly so many fields, the first of which is its letter.
func (r *reading) split(text []byte, letter byte, fields [][]byte) bool {
	if len(text) > lineMaxA {
		r.faults.add(r.line, fieldLine, "行过长:%d 字节,至多 %d", "the line has %d bytes, at most %d", len(text), lineMaxA)
		return false
	}
	if len(text) < 2 || text[0] != letter || text[1] != '|' {
		r.faults.addValue(r.line, fieldRecord, text, "以 "+string(letter)+"| 开头", "begin with "+string(letter)+"|")
		return false
	}
	n := 0
	for rest, more := text, true; more; n++ {
		var cut []byte
		cut, rest, more = bytes.Cut(rest, []byte("|"))
		if n < len(fields) {
			fields[n] = cut
		}
	}
	if n != len(fields) {
		r.faults.add(r.line, fieldLine, "有 %d 个字段,应为 %d 个", "there are %d fields, must be %d", n, len(fields))
		return false
	}
	return true
}

// headerA reads H|date|bank|school|count|sum.
func (r *reading) headerA(text []byte) {
	var f [fieldsHeaderA][]byte
	if !r.split(text, 'H', f[:]) {
		r.header.seen = false // it says nothing to compare with
		return
	}
	r.file.Day = r.date(fieldDate, f[1])
	r.file.Bank = r.institution(fieldBank, f[2])
	r.file.School = r.institution(fieldSchool, f[3])
	r.header.count = r.number(fieldCount, f[4], countDigits, 0, LinesMax)
	r.header.sum = r.number(fieldSum, f[5], sumDigits, 0, sumMax)
}

// detailA reads D|type|campus account|bank card masked|school seq|bank seq|fen|time|rc.
func (r *reading) detailA(text []byte, l *Line) {
	var f [fieldsDetailA][]byte
	if !r.split(text, 'D', f[:]) {
		return
	}
	l.Kind = r.kind(f[1])
	l.Account = Account(r.number(fieldAccount, f[2], accountDigits, 0, 1<<64-1))
	l.Card = r.card(f[3])
	l.Sequence = r.number(fieldSequence, f[4], sequenceDigits, 1, SequenceMax)
	l.BankSequence = r.number(fieldBankSequence, f[5], sequenceDigits, 0, SequenceMax)
	l.Amount = r.amount(f[6], sequenceDigits)
	l.Moment = r.moment(f[7])
	l.Code = r.code(f[8])
}

// trailerA reads T|count|sum|sm3.
func (r *reading) trailerA(text []byte) {
	var f [fieldsTrailerA][]byte
	if !r.split(text, 'T', f[:]) {
		r.spoilTrailer()
		return
	}
	r.trailer.count = r.number(fieldCount, f[1], countDigits, 0, LinesMax)
	r.trailer.sum = r.number(fieldSum, f[2], sumDigits, 0, sumMax)
	signed := make([]byte, hex.DecodedLen(len(f[3])))
	if _, err := hex.Decode(signed, f[3]); err != nil || len(signed) != sm3.Size {
		r.faults.addValue(r.line, fieldDigest, f[3], "为 64 位十六进制", "be 64 hex digits")
		return
	}
	r.signed = signed
}

// spoilTrailer: there is a trailer, and it says nothing that could be compared.
func (r *reading) spoilTrailer() {
	r.trailer.count, r.trailer.sum = r.details, uint64(r.sum)
}
