package banksim

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"onecard/ledger/money"
)

// Format of a reconciliation file.
type Format string

// Formats, as bankgw/reconcile draws them. They are written here once more, so that its reader is proven by another hand.
const (
	FormatA Format = "A" // fields between bars, SM3 in the trailer
	FormatB Format = "B" // 71 bytes a line
)

// fileLine is one detail of a file.
type fileLine struct {
	kind   string // 01 load, 02 reversal, 03 withdrawal
	record *Record
	Posting
	amount money.Fen
}

// fileFault is one thing that a file has wrong.
type fileFault struct {
	kind      string // of the line
	reference string
	verb      string
	amount    money.Fen
}

const (
	lineLoad     = "01"
	lineReversal = "02"
	lineCredit   = "03"
	cardPlaces   = 19
)

// FileFaults adds faults to the files that are written from now on. The books stay right, and the counts, sums and digest of a file are those of
// what it says: it is the bank's own system that has lost or changed the line.
//
//	lose 000000000012; double 000000000013; amount 000000000014 20.00; next-day 000000000015; reversal: lose 000000000016
//
// A step is [kind:] verb reference [yuan]. Kinds are load (when none is named), reversal and withdrawal; verbs are lose, double (twice in the file), amount
// (another amount, in yuan) and next-day (in the file of the day after). An empty text takes all faults away.
func (b *Bank) FileFaults(text string) error {
	var faults []fileFault
	err := eachStep(text, func(k kind, words []string) error {
		f := fileFault{kind: lineLoad, verb: words[0]}
		switch k {
		case kindLoad:
		case kindReversal:
			f.kind = lineReversal
		case kindWithdrawal:
			f.kind = lineCredit
		default:
			return errors.New("对账文件只有 load、reversal 与 withdrawal / a file has loads, reversals and withdrawals only")
		}
		wanted := 2
		if f.verb == "amount" {
			wanted = 3
		}
		if !slices.Contains([]string{"lose", "double", "amount", "next-day"}, f.verb) || len(words) != wanted {
			return errors.New("应为 lose、double、next-day 加参考号,或 amount 加参考号和金额 / write lose, double or next-day and a reference, or amount, a reference and yuan")
		}
		f.reference = words[1]
		if wanted == 3 {
			amount, err := money.Parse(words[2])
			if err != nil {
				return err
			}
			f.amount = amount
		}
		faults = append(faults, f)
		return nil
	})
	if err != nil {
		return fmt.Errorf("bank simulator: file faults: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.faults = append(b.faults, faults...); len(faults) == 0 {
		b.faults = nil
	}
	return nil
}

// File writes the reconciliation file of a settlement date: what was debited on it and what was given back on it, with the faults that
// FileFaults has asked for.
func (b *Bank) File(day uint32, format Format) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := b.fileLines(day)
	switch format {
	case FormatA:
		return b.fileA(day, lines), nil
	case FormatB:
		return b.fileB(day, lines), nil
	}
	return nil, fmt.Errorf("bank simulator: file format %q: must be A or B", format)
}

// fileLines are the lines of a day, in the order the bank booked them.
func (b *Bank) fileLines(day uint32) (lines []fileLine) {
	for _, r := range b.books.records {
		if r.Debit.Day != 0 {
			kind := lineLoad
			if r.Credit {
				kind = lineCredit
			}
			lines = b.spoilt(lines, fileLine{kind, r, r.Debit, r.Amount}, day)
		}
		if r.Return.Day != 0 {
			lines = b.spoilt(lines, fileLine{lineReversal, r, r.Return, r.Amount}, day)
		}
	}
	slices.SortFunc(lines, func(a, c fileLine) int { return cmp.Compare(a.Sequence, c.Sequence) })
	return lines
}

// spoilt appends a line as often as the day's file has it.
func (b *Bank) spoilt(lines []fileLine, l fileLine, day uint32) []fileLine {
	times, in := 1, l.Day
	for _, f := range b.faults {
		if f.kind != l.kind || f.reference != l.record.Reference {
			continue
		}
		switch f.verb {
		case "lose":
			times = 0
		case "double":
			times = 2
		case "amount":
			l.amount = f.amount
		case "next-day":
			in++
		}
	}
	if in != day {
		return lines
	}
	return append(lines, slices.Repeat([]fileLine{l}, times)...)
}

func sumOf(lines []fileLine) (sum money.Fen) {
	for _, l := range lines {
		sum += l.amount
	}
	return sum
}

func fileDate(day uint32) string {
	return time.Unix(int64(day)*secondsPerDay, 0).UTC().Format("20060102")
}

// campusAccount is DE 103, or zero.
func (l *fileLine) campusAccount() string { return cmp.Or(l.record.Campus, "0") }

// card is the holder's bank account, masked, in the 19 places that there are.
func (l *fileLine) card() string {
	account := l.record.Account
	if long := len(account) - cardPlaces; long > 0 {
		account = account[:shownInHead] + account[shownInHead+long:]
	}
	return mask(account)
}

func (b *Bank) fileA(day uint32, lines []fileLine) []byte {
	var f bytes.Buffer
	sum := sumOf(lines)
	fmt.Fprintf(&f, "H|%s|%s|%s|%d|%d\n", fileDate(day), b.config.Institution, b.config.School, len(lines), int64(sum))
	for i := range lines {
		l := &lines[i]
		fmt.Fprintf(&f, "D|%s|%s|%s|%s|%012d|%d|%s|%s\n", l.kind, l.campusAccount(), l.card(), l.record.Reference, l.Sequence,
			int64(l.amount), l.Moment.Format("20060102150405"), codeApproved)
	}
	fmt.Fprintf(&f, "T|%d|%d|%x\n", len(lines), int64(sum), sm3.Sum(f.Bytes()))
	return f.Bytes()
}

const (
	widthB   = 70
	accountB = 18
)

func (b *Bank) fileB(day uint32, lines []fileLine) []byte {
	var f bytes.Buffer
	sum := sumOf(lines)
	put := func(format string, args ...any) { fmt.Fprintf(&f, "%-*s\n", widthB, fmt.Sprintf(format, args...)) }
	put("H%s%-11s%-11s%010d%016d", fileDate(day), b.config.Institution, b.config.School, len(lines), int64(sum))
	for i := range lines {
		l := &lines[i]
		account := strings.Repeat("0", accountB) + l.campusAccount()
		put("%s%s%s%012d%s%010d%s", l.Moment.Format("20060102150405"), l.kind, l.record.Reference, l.Sequence, account[len(account)-accountB:], int64(l.amount), codeApproved)
	}
	put("T%s%010d%016d", fileDate(day), len(lines), int64(sum))
	return f.Bytes()
}
