package reconcile

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strconv"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"onecard/ledger/money"
)

// Write writes a file in a format, its lines in the order they are in. What does not fit the format is an error before the first byte: a
// file is written whole or not at all, as far as that is ours to say.
func Write(to io.Writer, format Format, f *File) error {
	if format != FormatA && format != FormatB {
		return fmt.Errorf("writing a bank file: format %d is unknown", format)
	}
	if len(f.Lines) > LinesMax || f.Day > dayMax {
		return fmt.Errorf("writing a bank file: %d lines of %s do not fit", len(f.Lines), f.Day)
	}
	for _, institution := range []string{f.Bank, f.School} {
		if _, ok := decimal([]byte(institution)); !ok || len(institution) > institutionDigits {
			return fmt.Errorf("writing a bank file: institution %q is not up to 11 digits", institution)
		}
	}
	w := &writing{to: bufio.NewWriterSize(to, readBuffer), digest: sm3.New(), file: f}
	for i := range f.Lines {
		if err := fits(format, &f.Lines[i]); err != nil {
			return fmt.Errorf("writing a bank file: line %d: %w", i+1, err)
		}
		w.sum += f.Lines[i].Amount
	}
	if format == FormatB && w.sum > sumMaxB {
		return fmt.Errorf("writing a bank file: its sum %s does not fit into format B", w.sum)
	}
	if format == FormatA {
		return w.writeA()
	}
	return w.writeB()
}

func fits(format Format, l *Line) error {
	most := AmountMax
	if format == FormatB {
		most = amountMaxB
	}
	year := time.Unix(int64(l.Moment), 0).UTC().Year()
	switch {
	case l.Amount < 1 || l.Amount > most:
		return fmt.Errorf("amount %s does not fit", l.Amount)
	case l.Sequence < 1 || l.Sequence > SequenceMax || l.BankSequence > SequenceMax:
		return fmt.Errorf("sequence %d or %d does not fit", l.Sequence, l.BankSequence)
	case l.Kind < KindLoad || l.Kind > KindCredit:
		return fmt.Errorf("kind %d is unknown", l.Kind)
	case uint64(l.Account) > 9_999_999_999_999_999_999:
		return fmt.Errorf("the campus account has more than 19 digits")
	case !alphanumeric(l.Code[0]) || !alphanumeric(l.Code[1]):
		return fmt.Errorf("response code %q does not fit", l.Code[:])
	case format == FormatA && !masked([]byte(l.Card.String())):
		return fmt.Errorf("the bank card is not masked")
	case year < 1970 || year > 9999:
		return fmt.Errorf("year %d does not fit", year)
	}
	return nil
}

// writing is a file on its way out.
type writing struct {
	to     *bufio.Writer
	digest hash.Hash
	file   *File
	sum    money.Fen // of all lines
	line   []byte    // reused
}

// put ends a line and writes it. The writer keeps its first error until Flush.
func (w *writing) put() {
	w.line = append(w.line, '\n')
	_, _ = w.digest.Write(w.line)
	_, _ = w.to.Write(w.line)
	w.line = w.line[:0]
}

func (w *writing) writeA() error {
	date := compact(w.file.Day.at(0))[:dateDigits]
	w.line = fmt.Appendf(w.line, "H|%s|%s|%s|%d|%d", date, w.file.Bank, w.file.School, len(w.file.Lines), int64(w.sum))
	w.put()
	for i := range w.file.Lines {
		l := &w.file.Lines[i]
		w.line = append(w.line, "D|0"...)
		w.line = strconv.AppendUint(w.line, uint64(l.Kind), 10)
		w.line = append(w.line, '|')
		w.line = strconv.AppendUint(w.line, uint64(l.Account), 10)
		w.line = append(w.line, '|')
		w.line = append(w.line, l.Card.String()...)
		w.line = append(w.line, '|')
		w.line = appendDigits(w.line, l.Sequence, sequenceDigits)
		w.line = append(w.line, '|')
		w.line = appendDigits(w.line, l.BankSequence, sequenceDigits)
		w.line = append(w.line, '|')
		w.line = strconv.AppendInt(w.line, int64(l.Amount), 10)
		w.line = append(w.line, '|')
		w.line = append(w.line, compact(l.Moment)...)
		w.line = append(w.line, '|', l.Code[0], l.Code[1])
		w.put()
	}
	w.line = fmt.Appendf(w.line, "T|%d|%d|%s", len(w.file.Lines), int64(w.sum), hex.EncodeToString(w.digest.Sum(nil)))
	w.put()
	return w.flush()
}

func (w *writing) writeB() error {
	date := compact(w.file.Day.at(0))[:dateDigits]
	w.line = fmt.Appendf(w.line, "H%s%-11s%-11s%010d%016d%*s", date, w.file.Bank, w.file.School, len(w.file.Lines), int64(w.sum), fillerHeaderB, "")
	w.put()
	for i := range w.file.Lines {
		l := &w.file.Lines[i]
		w.line = append(w.line, compact(l.Moment)...)
		w.line = append(w.line, '0', '0'+byte(l.Kind))
		w.line = appendDigits(w.line, l.Sequence, sequenceDigits)
		w.line = appendDigits(w.line, l.BankSequence, sequenceDigits)
		w.line = appendDigits(w.line, uint64(l.Account%accountSpaceB), accountDigitsB)
		w.line = appendDigits(w.line, uint64(l.Amount), amountDigitsB)
		w.line = append(w.line, l.Code[:]...)
		w.put()
	}
	w.line = fmt.Appendf(w.line, "T%s%010d%016d%*s", date, len(w.file.Lines), int64(w.sum), fillerTrailerB, "")
	w.put()
	return w.flush()
}

func (w *writing) flush() error {
	if err := w.to.Flush(); err != nil {
		return fmt.Errorf("writing a bank file: %w", err)
	}
	return nil
}

// compact prints YYYYMMDDhhmmss.
func compact(m Moment) string { return time.Unix(int64(m), 0).UTC().Format("20060102150405") }

// appendDigits appends a number in exactly so many digits.
func appendDigits(to []byte, n uint64, digits int) []byte {
	to = append(to, "0000000000000000000"[:digits]...)
	for i := len(to) - 1; n > 0; i-- {
		to[i] = byte('0' + n%10)
		n /= 10
	}
	return to
}
