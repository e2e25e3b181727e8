package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

const (
	faultsMax = 100 // kept of one file; more are counted
	shownMax  = 24  // characters of a value in a fault
)

// field names a place in a file. A secret one is never shown.
type field struct {
	zh, en string
	secret bool
}

var (
	fieldFile         = field{"文件", "file", false}
	fieldLine         = field{"行", "line", false}
	fieldRecord       = field{"记录标识", "record", false}
	fieldDate         = field{"日期", "date", false}
	fieldTime         = field{"时间", "time", false}
	fieldBank         = field{"银行", "bank", false}
	fieldSchool       = field{"学校", "school", false}
	fieldCount        = field{"笔数", "count", false}
	fieldSum          = field{"金额合计", "sum", false}
	fieldDigest       = field{"SM3", "sm3", false}
	fieldFiller       = field{"填充", "filler", false}
	fieldType         = field{"类型", "type", false}
	fieldAccount      = field{"校园卡账户", "campus account", true}
	fieldCard         = field{"银行卡", "bank card", true}
	fieldSequence     = field{"学校流水号", "school sequence", false}
	fieldBankSequence = field{"银行流水号", "bank sequence", false}
	fieldAmount       = field{"金额", "amount", false}
	fieldCode         = field{"应答码", "response code", false}
)

// Fault is one thing wrong with a file.
type Fault struct {
	Line    int    `json:"line"` // from 1; 0: the file as a whole
	Field   string `json:"field"`
	Chinese string `json:"zh"`
	English string `json:"en"`
}

// String prints the fault without its file.
func (f Fault) String() string {
	return fmt.Sprintf("%d: %s: %s / %s", f.Line, f.Field, f.Chinese, f.English)
}

// FileError says why a file was not taken, all of it at once.
type FileError struct {
	File   string
	Faults []Fault // at most 100, in the order they were met
	More   int     // how many others there were
}

func (e *FileError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "对账文件 %s 未被接受,%d 处有误 / bank file %s is not taken, %d faults", e.File, len(e.Faults)+e.More, e.File, len(e.Faults)+e.More)
	for _, f := range e.Faults {
		fmt.Fprintf(&b, "\n%s:%s", e.File, f)
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\n另有 %d 处 / and %d more", e.More, e.More)
	}
	return b.String()
}

// add takes a fault in. The two texts have the same verbs for the same arguments.
func (e *FileError) add(line uint32, at field, zh, en string, args ...any) {
	if len(e.Faults) >= faultsMax {
		e.More++
		return
	}
	if len(args) > 0 {
		zh, en = fmt.Sprintf(zh, args...), fmt.Sprintf(en, args...)
	}
	e.Faults = append(e.Faults, Fault{Line: int(line), Field: at.zh + " " + at.en, Chinese: zh, English: en})
}

// addValue is add with the value that is wrong, unless it is secret; text in another encoding is called by its name.
func (e *FileError) addValue(line uint32, at field, value []byte, zh, en string) {
	zh, en = "应"+zh, "must "+en
	encoding, text := encodingOf(value)
	if encoding != "" {
		zh, en = "含 "+encoding+" 汉字,"+zh, "has "+encoding+" text, "+en
	}
	if at.secret {
		e.add(line, at, zh, en)
		return
	}
	if runes := []rune(text); len(runes) > shownMax {
		text = string(runes[:shownMax]) + "…"
	}
	e.add(line, at, zh+":%q", en+": %q", text)
}

// encodingOf says what text that is not ASCII seems to be, and what it says; "" for ASCII.
func encodingOf(text []byte) (encoding, decoded string) {
	if !slices.ContainsFunc(text, func(c byte) bool { return c >= utf8.RuneSelf }) {
		return "", string(text)
	}
	if utf8.Valid(text) {
		return "UTF-8", string(text)
	}
	if decoded, err := simplifiedchinese.GBK.NewDecoder().Bytes(text); err == nil {
		return "GBK", string(decoded)
	}
	return "GBK", string(text)
}
