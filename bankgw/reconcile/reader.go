package reconcile

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/emmansun/gmsm/sm3"

	"onecard/ledger/money"
)

const (
	readBuffer   = 1 << 16
	lineMaxA     = 160     // bytes of a line of format A without its end; a full detail has 121
	firstLines   = 1 << 16 // room made on the word of a header
	momentBefore = 366     // how many days before the file's date a line may be: a bank makes good what it owes
	momentAfter  = 1       // and after it: a bank's day may end after midnight
)

// Source says which file is expected. A file that is another day's or another school's is not taken. Bank, School and Day are compared when
// they are set.
type Source struct {
	Name   string // for what is said about it
	Format Format
	Bank   string
	School string
	Day    Day
	// LinesMax of the file; 0, and at most: LinesMax.
	LinesMax int
}

// Read takes a bank's file whole or not at all. A *FileError tells all that is wrong with the file; any other error is of the reader.
func Read(from io.Reader, source Source) (*File, error) {
	if source.Format != FormatA && source.Format != FormatB {
		return nil, fmt.Errorf("对账文件 %s 的格式未知 / format %d of bank file %s is unknown", source.Name, source.Format, source.Name)
	}
	if source.LinesMax <= 0 || source.LinesMax > LinesMax {
		source.LinesMax = LinesMax
	}
	r := &reading{source: source, file: &File{Name: source.Name}, sha256: sha256.New(), sm3: io.Discard}
	if source.Format == FormatA {
		r.digest = sm3.New()
		r.sm3 = r.digest
	}
	r.faults.File = source.Name
	if err := r.lines(bufio.NewReaderSize(from, readBuffer)); err != nil {
		return nil, fmt.Errorf("读对账文件 %s / reading bank file %s: %w", source.Name, source.Name, err)
	}
	r.finish()
	if len(r.faults.Faults) > 0 {
		return nil, &r.faults
	}
	r.sha256.Sum(r.file.SHA256[:0])
	return r.file, nil
}

// control is what a header or a trailer says of the details.
type control struct {
	seen  bool
	line  uint32
	count uint64
	sum   uint64
}

// reading is a file on its way in.
type reading struct {
	source Source
	file   *File
	faults FileError

	line    uint32 // now
	ended   bool   // no more is read: the rest could only repeat what is said
	crlf    bool   // said once
	details uint64
	sum     money.Fen // of all details, whatever they did
	spoiled bool      // a detail could not be read, so that the sum is not known
	header  control
	trailer control
	sha256  hash.Hash // of everything
	digest  hash.Hash // format A: SM3 of everything before the trailer
	sm3     io.Writer // digest, or nowhere
	signed  []byte    // what the trailer says that digest is
}

func (r *reading) lines(from *bufio.Reader) error {
	for !r.ended {
		raw, err := from.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && len(raw) == 0:
			return nil
		case errors.Is(err, io.EOF):
			r.line++
			r.spoiled = true
			r.faults.add(r.line, fieldLine, "末行没有换行符:文件不完整", "the last line has no end: the file is cut short")
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			r.line++
			r.faults.add(r.line, fieldLine, "行过长", "the line is too long")
			return nil
		case err != nil:
			return err
		}
		r.line++
		_, _ = r.sha256.Write(raw) // a hash takes everything
		r.take(raw)
	}
	return nil
}

// take reads one line, of which raw has all bytes.
func (r *reading) take(raw []byte) {
	text := raw[:len(raw)-1]
	if end := len(text) - 1; end >= 0 && text[end] == '\r' {
		if text = text[:end]; !r.crlf {
			r.faults.add(r.line, fieldLine, "行尾是 CRLF,应为 LF:文件传输时可能用了文本方式", "lines end with CRLF and not LF: the file may have been sent in text mode")
			r.crlf = true
		}
	}
	if r.trailer.seen {
		r.faults.add(r.line, fieldLine, "尾记录之后还有内容", "there is more after the trailer")
		r.ended = true
		return
	}
	if r.line == 1 {
		r.takeHeader(text)
		_, _ = r.sm3.Write(raw)
		return
	}
	if len(text) > 0 && text[0] == 'T' {
		r.trailer = control{seen: true, line: r.line}
		r.takeTrailer(text)
		return
	}
	_, _ = r.sm3.Write(raw)
	r.takeDetail(text)
}

func (r *reading) takeHeader(text []byte) {
	if bytes.HasPrefix(text, []byte("\xEF\xBB\xBF")) {
		r.faults.add(r.line, fieldRecord, "文件以 UTF-8 BOM 开头", "the file begins with a UTF-8 byte order mark")
		text = text[3:]
	}
	if len(text) == 0 || text[0] != 'H' {
		r.faults.addValue(r.line, fieldRecord, text, "先有头记录 H", "begin with the header H")
		r.ended = true
		return
	}
	r.header = control{seen: true, line: r.line}
	if r.source.Format == FormatA {
		r.headerA(text)
	} else {
		r.headerB(text)
	}
	if r.header.count > uint64(r.source.LinesMax) {
		r.faults.add(r.line, fieldCount, "笔数超过上限 %d", "more than the %d details that are read", r.source.LinesMax)
		r.ended = true
		return
	}
	r.file.Lines = make([]Line, 0, min(r.header.count, firstLines))
	r.expect(fieldBank, r.file.Bank, r.source.Bank)
	r.expect(fieldSchool, r.file.School, r.source.School)
	if r.source.Day != 0 && r.file.Day != 0 && r.file.Day != r.source.Day {
		r.expect(fieldDate, r.file.Day.String(), r.source.Day.String())
	}
}

// expect compares what the header says of the file with what was asked for.
func (r *reading) expect(at field, found, wanted string) {
	if wanted != "" && found != "" && found != wanted {
		r.faults.add(r.line, at, "是 %s 的文件,应为 %s", "the file is of %s, expected is %s", found, wanted)
	}
}

func (r *reading) takeTrailer(text []byte) {
	if r.source.Format == FormatA {
		r.trailerA(text)
	} else {
		r.trailerB(text)
	}
}

func (r *reading) takeDetail(text []byte) {
	if r.details++; r.details > uint64(r.source.LinesMax) {
		r.faults.add(r.line, fieldLine, "明细超过上限 %d 笔", "more than the %d details that are read", r.source.LinesMax)
		r.ended = true
		return
	}
	before := len(r.faults.Faults) + r.faults.More
	l := Line{Number: r.line}
	if r.source.Format == FormatA {
		r.detailA(text, &l)
	} else {
		r.detailB(text, &l)
	}
	if len(r.faults.Faults)+r.faults.More > before {
		r.spoiled = true
		return
	}
	if day := Day(int64(l.Moment) / secondsPerDay); r.file.Day != 0 && (day > r.file.Day+momentAfter || day+momentBefore < r.file.Day) {
		r.spoiled = true
		r.faults.add(r.line, fieldTime, "%s 不在 %s 的文件之内", "%s is not of a file of %s", l.Moment, r.file.Day)
		return
	}
	r.sum += l.Amount // at most LinesMax times AmountMax, which fits
	r.file.tally(&l)
	r.file.Lines = append(r.file.Lines, l)
}

// finish is what can be said when all lines are in.
func (r *reading) finish() {
	switch {
	case r.line == 0:
		r.faults.add(0, fieldFile, "文件为空", "the file is empty")
		return
	case r.ended:
		return // and the rest was not read
	case !r.trailer.seen:
		r.faults.add(r.line, fieldFile, "没有尾记录:文件不完整", "there is no trailer: the file is cut short")
	}
	r.compare(&r.header, "头记录", "header")
	r.compare(&r.trailer, "尾记录", "trailer")
	if r.signed != nil {
		if sum := r.digest.Sum(nil); !bytes.Equal(sum, r.signed) {
			r.faults.add(r.trailer.line, fieldDigest, "与文件内容不符,算得 %s", "is not of these bytes, which have %s", hex.EncodeToString(sum))
		}
	}
	r.sort()
}

// compare holds the details against a header or a trailer.
func (r *reading) compare(c *control, zh, en string) {
	if !c.seen {
		return
	}
	if c.count != r.details {
		r.faults.add(c.line, fieldCount, zh+"为 %d 笔,明细有 %d 笔", "the "+en+" says %d, there are %d details", c.count, r.details)
	}
	if !r.spoiled && c.sum != uint64(r.sum) {
		r.faults.add(c.line, fieldSum, zh+"为 %d 分,明细合计 %d 分", "the "+en+" says %d fen, the details add up to %d", c.sum, uint64(r.sum))
	}
}

// sort brings the lines into the order of the join and finds those that stand twice.
func (r *reading) sort() {
	lines := r.file.Lines
	if !slices.IsSortedFunc(lines, compareLines) {
		// Lines of one key stay in the file's order, so that the later one is called the second.
		slices.SortFunc(lines, func(a, b Line) int { return cmp.Or(compareLines(a, b), cmp.Compare(a.Number, b.Number)) })
	}
	for i := 1; i < len(lines); i++ {
		if compareLines(lines[i-1], lines[i]) == 0 {
			r.faults.add(lines[i].Number, fieldSequence, "%012d 与第 %d 行重复", "%012d stands in line %d already", lines[i].Sequence, lines[i-1].Number)
		}
	}
}
