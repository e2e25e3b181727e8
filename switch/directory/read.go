package directory

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// Keys seal what the files bring in the clear.
type Keys struct {
	Site   iso8583.Secret // 32 bytes
	Random io.Reader
}

// PINVerificationKey derives the key of PIN verification values from the site key: one key, one purpose.
func PINVerificationKey(site iso8583.Secret) (iso8583.Secret, error) {
	key, err := hkdf.Key(sha256.New, site, nil, "onecard PIN verification v1", 16)
	if err != nil {
		return nil, fmt.Errorf("deriving the PIN verification key: %w", err)
	}
	return key, nil
}

// Name is a row for people: it may be erased.
type Name struct {
	Table string // "holder", "merchant", "organisation", "class", "door"
	Key   string
	Text  string
	Of    string // the organisation it belongs to, or the parent
}

// Import is what the files hold.
type Import struct {
	Directory transaction.Directory
	Names     []Name
	lines     map[string][]int         // table -> line of each row
	bad       map[string]map[cell]bool // table -> what could not be read
}

// File is a CSV file of an import, with the columns that it may have.
type File struct {
	Name    string
	Columns []string
}

// Files are those that Read looks for.
var Files = []File{
	{"organisations.csv", []string{"code", "parent", "name"}},
	{"classes.csv", []string{"code", "name", "pin_single", "pin_day", "day_amount", "day_count", "purse_cap", "load_single", "load_day", "partial_subsidy"}},
	{"merchants.csv", []string{"code", "name", "organisation", "state", "opens", "closes"}},
	{"doors.csv", []string{"code", "name", "grants"}},
	{"terminals.csv", []string{"code", "merchant", "type", "mac", "legacy", "tmk", "kcv", "door", "state"}},
	{"holders.csv", []string{"number", "name", "class", "organisation", "state", "groups", "bank_account", "opening_main", "opening_subsidy"}},
	{"cards.csv", []string{"card", "holder", "state", "expires", "pin"}},
	{"account_sets.csv", []string{"set", "code"}},
	{"terms.csv", []string{"merchant", "parent", "group", "department", "service_fee", "bank", "account", "payee", "account_sets"}},
	{"programmes.csv", []string{"code", "name", "purse", "provider", "purposes", "per_meal", "partial"}},
	{"desks.csv", []string{"code", "name"}},
}

// FileNames are their names, with a separator between them.
func FileNames(between string) string {
	names := make([]string, len(Files))
	for i := range Files {
		names[i] = Files[i].Name
	}
	return strings.Join(names, between)
}

// ErrNoFiles says that the folder has none of the files.
var ErrNoFiles = errors.New("没有可导入的文件 / none of the import files is here")

type reader struct {
	folder       fs.FS
	keys         Keys
	verification iso8583.Secret
	problems     []Problem
	result       Import
}

func (r *reader) problem(file string, line int, column, format string, args ...any) {
	r.problems = append(r.problems, Problem{file, line, column, fmt.Sprintf(format, args...)})
}

// Check says whether the folder has anything to read.
func Check(folder fs.FS) error {
	for i := range Files {
		if _, err := fs.Stat(folder, Files[i].Name); !errors.Is(err, fs.ErrNotExist) {
			return nil // one that cannot be read is a problem that Read names
		}
	}
	return fmt.Errorf("%w: %s", ErrNoFiles, FileNames(", "))
}

// Read reads all files of a folder. With problems the import must not be used.
func Read(folder fs.FS, keys Keys) (Import, []Problem, error) {
	if err := Check(folder); err != nil {
		return Import{}, nil, err
	}
	verification, err := PINVerificationKey(keys.Site)
	if err != nil {
		return Import{}, nil, err
	}
	r := &reader{folder: folder, keys: keys, verification: verification, result: Import{lines: make(map[string][]int), bad: make(map[string]map[cell]bool)}}
	r.readOrganisations()
	r.keep("classes", r.readClasses())
	r.keep("merchants", r.readMerchants())
	r.keep("doors", r.readDoors())
	r.keep("terminals", r.readTerminals())
	r.keep("holders", r.readHolders())
	r.keep("cards", r.readCards())
	r.readSettlement()
	return r.result, r.problems, nil
}

func (r *reader) keep(name string, t *table) {
	r.result.lines[name], r.result.bad[name] = t.lines, t.bad
}

// Problems maps what the core found to file and line. What it finds in a cell that could not be read is left out: the cell has been reported,
// and two card numbers that could not be read are not one number given twice.
func (i Import) Problems(faults []transaction.Fault) []Problem {
	problems := make([]Problem, 0, len(faults))
	for _, f := range faults {
		if i.bad[f.Table][cell{f.Row, f.Column}] {
			continue
		}
		p := Problem{File: f.Table + ".csv", Column: f.Column, Text: f.Text}
		if lines := i.lines[f.Table]; f.Row >= 0 && f.Row < len(lines) {
			p.Line = lines[f.Row]
		}
		problems = append(problems, p)
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		if a.File != b.File {
			return strings.Compare(a.File, b.File)
		}
		return a.Line - b.Line
	})
	return problems
}

func (r *reader) named(table string, w *row, key string, of string) {
	if text := w.name("name"); text != "" {
		r.result.Names = append(r.result.Names, Name{table, key, text, of})
	}
}

func (r *reader) readOrganisations() {
	known := map[string]bool{}
	r.each("organisations.csv", func(w *row) {
		code := w.needed("code")
		if known[code] {
			w.problem("code", "机构 %s 重复 / organisation %s is given twice", code, code)
		}
		known[code] = true
		r.named("organisation", w, code, strings.Clone(w.text("parent")))
	})
}

func (r *reader) readClasses() *table {
	return r.each("classes.csv", func(w *row) {
		c := transaction.ClassRow{
			Code: w.needed("code"), PINSingle: w.yuan("pin_single"), PINDay: w.yuan("pin_day"), DayAmount: w.yuan("day_amount"), DayCount: w.count("day_count"),
			PurseCap: w.yuan("purse_cap"), LoadSingle: w.yuan("load_single"), LoadDay: w.yuan("load_day"), RefusePartial: w.choice("partial_subsidy", "yes", "no") == 1,
		}
		r.named("class", w, c.Code, "")
		r.result.Directory.Classes = append(r.result.Directory.Classes, c)
	})
}

func (r *reader) readMerchants() *table {
	return r.each("merchants.csv", func(w *row) {
		code := w.exact("code", 15)
		m := transaction.MerchantRow{Code: merchantCode(code), Closed: w.choice("state", "open", "closed") == 1}
		if opens, closes := w.text("opens"), w.text("closes"); opens != "" || closes != "" {
			m.Opens, m.Closes = w.minute("opens", opens), w.minute("closes", closes)
		}
		r.named("merchant", w, code, strings.Clone(w.text("organisation")))
		r.result.Directory.Merchants = append(r.result.Directory.Merchants, m)
	})
}

func (r *reader) readDoors() *table {
	return r.each("doors.csv", func(w *row) {
		d := transaction.DoorRow{Code: w.needed("code"), Grants: w.grants("grants")}
		r.named("door", w, d.Code, "")
		r.result.Directory.Doors = append(r.result.Directory.Doors, d)
	})
}

func (r *reader) readTerminals() *table {
	return r.each("terminals.csv", func(w *row) {
		code := w.exact("code", 8)
		t := transaction.TerminalRow{
			Code: terminalCode(code), Merchant: merchantCode(w.exact("merchant", 15)), Door: strings.Clone(w.text("door")),
			Type: transaction.TerminalPOS + transaction.TerminalType(w.choice("type", "pos", "gate", "kiosk")), Suspended: w.choice("state", "active", "suspended") == 1,
		}
		mode := iso8583.MACAESCMAC
		if name := w.text("mac"); name != "" {
			given, err := iso8583.ParseMACMode(name)
			if err != nil {
				w.problem("mac", "无此 MAC 方式 / no such way: %v", err)
			} else {
				mode = given
			}
		}
		if mode.Legacy() && w.choice("legacy", "no", "yes") == 0 {
			w.problem("mac", "%s 可被篡改,旧终端须在 legacy 列写 yes / can be forged: write yes in the column legacy for an old terminal", mode)
		}
		t.MACMode = uint8(mode)
		t.SealedKey = r.seal(w, code, mode)
		r.result.Directory.Terminals = append(r.result.Directory.Terminals, t)
	})
}

// seal checks a terminal's master key against its check value and seals it under the site key.
func (r *reader) seal(w *row, code string, mode iso8583.MACMode) []byte {
	key := iso8583.Secret(w.hex("tmk"))
	if key == nil {
		return nil
	}
	if len(key) != 16 {
		w.problem("tmk", "主密钥须为 16 字节 / the master key must have 16 bytes")
		return nil
	}
	if strings.Count(string(key), string(key[:1])) == len(key) || string(key[:8]) == string(key[8:]) {
		w.problem("tmk", "弱密钥 / weak key: draw another")
		return nil
	}
	value, err := iso8583.CheckValue(iso8583.SchemeOf(mode), key)
	if err != nil {
		w.problem("tmk", "%v", err)
		return nil
	}
	if given := strings.ToUpper(w.text("kcv")); given != strings.ToUpper(hex.EncodeToString(value[:])) {
		w.problem("kcv", "校验值不符,密钥录入有误 / check value does not match: the key was mistyped")
		return nil
	}
	nonce := make([]byte, 12)
	if _, err := io.ReadFull(r.keys.Random, nonce); err != nil {
		w.problem("tmk", "%v", err)
		return nil
	}
	sealed, err := iso8583.SealKey(r.keys.Site, nonce, []byte(code), key)
	if err != nil {
		w.problem("tmk", "%v", err)
	}
	return sealed
}

func (r *reader) readHolders() *table {
	return r.each("holders.csv", func(w *row) {
		h := transaction.HolderRow{
			Number: w.needed("number"), Class: w.needed("class"), State: transaction.HolderState(w.choice("state", "active", "suspended", "left")),
			Groups: w.groups("groups"), OpeningMain: w.yuan("opening_main"), OpeningSubsidy: w.yuan("opening_subsidy"),
		}
		if w.text("bank_account") != "" {
			h.BankAccount = w.digits("bank_account", 8, 19)
		}
		r.named("holder", w, h.Number, strings.Clone(w.text("organisation")))
		r.result.Directory.Holders = append(r.result.Directory.Holders, h)
	})
}

func (r *reader) readCards() *table {
	return r.each("cards.csv", func(w *row) {
		c := transaction.CardRow{
			Number: transaction.CardNumber(w.digits("card", 16, 19)), Holder: w.needed("holder"),
			State: transaction.CardState(w.choice("state", "active", "lost", "frozen", "closed")), ExpiryDay: w.day("expires"),
		}
		if c.Number != 0 && !luhn(uint64(c.Number)) {
			w.problem("card", "校验位错 / wrong check digit")
		}
		if pin := w.text("pin"); pin != "" {
			c.PINValue = r.pinValue(w, uint64(c.Number), pin)
		}
		r.result.Directory.Cards = append(r.result.Directory.Cards, c)
	})
}

func (r *reader) pinValue(w *row, card uint64, pin string) uint64 {
	if len(pin) < 4 || len(pin) > 12 || strings.Trim(pin, "0123456789") != "" || strings.Count(pin, pin[:1]) == len(pin) {
		w.problem("pin", "须为 4 至 12 位数字且不全相同 / must be 4 to 12 digits, not all the same")
		return 0
	}
	value, err := iso8583.PINValue(r.verification, card, iso8583.PIN(pin))
	if err != nil {
		w.problem("pin", "%v", err)
	}
	return value
}
