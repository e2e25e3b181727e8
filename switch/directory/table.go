package directory

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Problem is one thing wrong with one place in the files.
type Problem struct {
	File   string
	Line   int    // from 1, the header is line 1; 0: the file as a whole
	Column string // "" the line as a whole
	Text   string
}

func (p Problem) String() string {
	place := p.File
	if p.Line > 0 {
		place = fmt.Sprintf("%s:%d", place, p.Line)
	}
	if p.Column != "" {
		place += ": " + p.Column
	}
	return place + ": " + p.Text
}

// table reads one file with a header row.
type table struct {
	reader  *reader
	file    string
	columns []string
	header  map[string]int
	lines   []int           // line number of each row kept
	bad     map[cell]bool   // what could not be read
	lacking map[string]bool // needed columns that the header lacks, each reported once
}

// cell is one place in the rows kept.
type cell struct {
	row    int // from 0
	column string
}

// row is one line of a table.
type row struct {
	table  *table
	line   int
	fields []string
}

// maxRows bounds one file: an import is checked whole, and ten million people and cards need some 12 GiB for it.
const maxRows = 10_000_000

// each calls visit with every row of a file. A missing file has no rows.
func (r *reader) each(file string, visit func(*row)) *table {
	of := Files[slices.IndexFunc(Files, func(f File) bool { return f.Name == file })]
	t := &table{reader: r, file: file, columns: of.Columns, bad: make(map[cell]bool), lacking: make(map[string]bool)}
	contents, err := fs.ReadFile(r.folder, file)
	if errors.Is(err, fs.ErrNotExist) {
		return t
	}
	if err != nil {
		r.problem(file, 0, "", "读不出 / cannot be read: %v", err)
		return t
	}
	contents = bytes.TrimPrefix(contents, []byte("\xEF\xBB\xBF"))
	if !utf8.Valid(contents) {
		r.problem(file, 0, "", "不是 UTF-8 编码(可能是 GBK),请另存为“CSV UTF-8” / is not UTF-8 (it may be GBK): save it as \"CSV UTF-8\"")
		return t
	}
	source := csv.NewReader(bytes.NewReader(contents))
	source.FieldsPerRecord = -1
	source.ReuseRecord = true
	if !t.readHeader(source) {
		return t
	}
	t.readRows(source, visit)
	return t
}

func (t *table) readHeader(source *csv.Reader) bool {
	names, err := source.Read()
	if err != nil {
		t.reader.problem(t.file, 1, "", "缺表头,应为 / no header row; write: %s", strings.Join(t.columns, ","))
		return false
	}
	t.header = make(map[string]int)
	ok := true
	for i, name := range names {
		name = strings.TrimSpace(name)
		switch _, twice := t.header[name]; {
		case !slices.Contains(t.columns, name):
			t.reader.problem(t.file, 1, name, "无此列 / unknown column; known: %s", strings.Join(t.columns, ","))
			ok = false
		case twice:
			t.reader.problem(t.file, 1, name, "列重复 / column given twice")
			ok = false
		}
		t.header[name] = i
	}
	return ok
}

func (t *table) readRows(source *csv.Reader, visit func(*row)) {
	for {
		fields, err := source.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if parse := new(csv.ParseError); errors.As(err, &parse) {
			t.reader.problem(t.file, parse.StartLine, "", "引号不成对或位置不对 / is not CSV: %v", parse.Err)
			continue // the reader has gone on to the next line: what is wrong there is told too
		}
		if err != nil {
			t.reader.problem(t.file, 0, "", "读不出 / cannot be read: %v", err)
			return
		}
		line, _ := source.FieldPos(0)
		if len(fields) == 1 && strings.TrimSpace(fields[0]) == "" {
			continue
		}
		if len(t.lines) >= maxRows {
			t.reader.problem(t.file, line, "", "超过 %d 行,请拆分 / more than %d rows: split the file", maxRows, maxRows)
			return
		}
		if len(fields) != len(t.header) {
			t.reader.problem(t.file, line, "", "有 %d 列,表头为 %d 列 / has %d columns, the header has %d", len(fields), len(t.header), len(fields), len(t.header))
			continue
		}
		t.lines = append(t.lines, line)
		visit(&row{table: t, line: line, fields: fields})
	}
}

// text returns a column, trimmed; "" when the column is not in the file.
func (w *row) text(column string) string {
	i, ok := w.table.header[column]
	if !ok {
		return ""
	}
	value := strings.TrimSpace(w.fields[i])
	for _, r := range value {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) { // what cannot be seen, or turns the text round, makes two names look like one
			w.problem(column, "含控制字符或不可见字符 / contains a control character or one that cannot be seen")
			return ""
		}
	}
	return value
}

// name is a text for people: it may not begin like a formula of a spreadsheet.
func (w *row) name(column string) string {
	return w.plain(column, w.text(column))
}

// plain refuses what a spreadsheet would take for a formula when it is exported again, in full width too.
func (w *row) plain(column, value string) string {
	if first, _ := utf8.DecodeRuneInString(value); value != "" && strings.ContainsRune("=+-@\uFF1D\uFF0B\uFF0D\uFF20", first) {
		w.problem(column, "不能以 = + - @ 开头 / may not begin with = + - @")
		return ""
	}
	return strings.Clone(value)
}

// has says whether a needed column is there. One that is not is the header's fault, told once and not for each line.
func (w *row) has(column string) bool {
	if _, ok := w.table.header[column]; ok {
		return true
	}
	w.spoil(column)
	if !w.table.lacking[column] {
		w.table.lacking[column] = true
		w.table.reader.problem(w.table.file, 1, column, "缺此列 / this column is missing")
	}
	return false
}

// needed is text that may not be empty.
func (w *row) needed(column string) string {
	if !w.has(column) {
		return ""
	}
	value := w.text(column)
	if value == "" && !w.spoiled(column) {
		w.problem(column, "不能为空 / may not be empty")
	}
	return w.plain(column, value)
}

func (w *row) problem(column, format string, args ...any) {
	w.spoil(column)
	w.table.reader.problem(w.table.file, w.line, column, format, args...)
}

// spoil marks a cell of this row as not read.
func (w *row) spoil(column string) { w.table.bad[cell{len(w.table.lines) - 1, column}] = true }

func (w *row) spoiled(column string) bool { return w.table.bad[cell{len(w.table.lines) - 1, column}] }
