package reconcile

import "bytes"

// Widths of format B; the package comment draws them. With LF each line has 71 bytes.
const (
	widthB         = 70
	dateDigits     = 8
	clockDigits    = 6
	kindDigits     = 2
	sequenceDigits = 12
	accountDigitsB = 18
	amountDigitsB  = 10
	codeWidth      = 2
	sumDigitsB     = 16
	fillerHeaderB  = widthB - 1 - dateDigits - 2*institutionDigits - countDigits - sumDigitsB
	fillerTrailerB = widthB - 1 - dateDigits - countDigits - sumDigitsB

	amountMaxB = 9_999_999_999
	sumMaxB    = 9_999_999_999_999_999
)

// fixed cuts fields of a fixed width off a line.
type fixed struct{ rest []byte }

func (f *fixed) cut(width int) []byte {
	field := f.rest[:width]
	f.rest = f.rest[width:]
	return field
}

// wholeB says whether a line has its 70 bytes.
func (r *reading) wholeB(text []byte) bool {
	if len(text) == widthB {
		return true
	}
	if encoding, _ := encodingOf(text); encoding != "" {
		r.faults.add(r.line, fieldLine, "长 %d 字节(连换行),应为 71,且含 %s 汉字", "the line has %d bytes with its end, must be 71, and has %s text", len(text)+1, encoding)
		return false
	}
	r.faults.add(r.line, fieldLine, "长 %d 字节(连换行),应为 71", "the line has %d bytes with its end, must be 71", len(text)+1)
	return false
}

func (r *reading) headerB(text []byte) {
	if !r.wholeB(text) {
		r.header.seen = false
		return
	}
	f := fixed{text[1:]}
	r.file.Day = r.date(fieldDate, f.cut(dateDigits))
	r.file.Bank = r.institution(fieldBank, bytes.TrimRight(f.cut(institutionDigits), " "))
	r.file.School = r.institution(fieldSchool, bytes.TrimRight(f.cut(institutionDigits), " "))
	r.header.count = r.number(fieldCount, f.cut(countDigits), countDigits, 0, LinesMax)
	r.header.sum = r.number(fieldSum, f.cut(sumDigitsB), sumDigitsB, 0, sumMaxB)
	r.filler(f.rest)
}

func (r *reading) detailB(text []byte, l *Line) {
	if !r.wholeB(text) {
		return
	}
	f := fixed{text}
	l.Moment = r.moment(f.cut(dateDigits + clockDigits))
	l.Kind = r.kind(f.cut(kindDigits))
	l.Sequence = r.number(fieldSequence, f.cut(sequenceDigits), sequenceDigits, 1, SequenceMax)
	l.BankSequence = r.number(fieldBankSequence, f.cut(sequenceDigits), sequenceDigits, 0, SequenceMax)
	l.Account = Account(r.number(fieldAccount, f.cut(accountDigitsB), accountDigitsB, 0, uint64(accountSpaceB)-1))
	l.Amount = r.amount(f.cut(amountDigitsB), amountDigitsB)
	l.Code = r.code(f.cut(codeWidth))
}

func (r *reading) trailerB(text []byte) {
	if !r.wholeB(text) {
		r.spoilTrailer()
		return
	}
	f := fixed{text[1:]}
	if day := r.date(fieldDate, f.cut(dateDigits)); day != 0 && r.file.Day != 0 && day != r.file.Day {
		r.faults.add(r.line, fieldDate, "尾记录为 %s,头记录为 %s", "the trailer says %s, the header %s", day, r.file.Day)
	}
	r.trailer.count = r.number(fieldCount, f.cut(countDigits), countDigits, 0, LinesMax)
	r.trailer.sum = r.number(fieldSum, f.cut(sumDigitsB), sumDigitsB, 0, sumMaxB)
	r.filler(f.rest)
}

func (r *reading) filler(text []byte) {
	if len(bytes.Trim(text, " ")) > 0 {
		r.faults.addValue(r.line, fieldFiller, text, "为空格", "be spaces")
	}
}
