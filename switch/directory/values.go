package directory

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// Values of columns. Each reads one cell and reports what is wrong with it.

func (w *row) yuan(column string) money.Fen {
	value := w.text(column)
	if value == "" {
		return 0
	}
	amount, err := money.Parse(value)
	if err != nil || amount < 0 {
		w.problem(column, "%q 不是金额,如 30.00 / is not an amount such as 30.00", value)
		return 0
	}
	return amount
}

func (w *row) count(column string) uint32 {
	value := w.text(column)
	if value == "" {
		return 0
	}
	n, err := strconv.ParseUint(value, 10, 16)
	if err != nil {
		w.problem(column, "%q 不是 0 至 65535 的整数 / is not a whole number from 0 to 65535", value)
	}
	return uint32(n)
}

// choice returns the index of the value in the list; empty takes the first.
func (w *row) choice(column string, values ...string) int {
	value := w.text(column)
	if value == "" {
		return 0
	}
	for i, v := range values {
		if v == value {
			return i
		}
	}
	w.problem(column, "%q 须为其一 / %q must be one of: %s", value, value, strings.Join(values, ", "))
	return 0
}

// minute reads HH:MM; 24:00 is 00:00.
func (w *row) minute(column, value string) uint16 {
	hour, minute, ok := strings.Cut(value, ":")
	h, err1 := strconv.ParseUint(hour, 10, 8) // unlike Atoi it takes no sign
	m, err2 := strconv.ParseUint(minute, 10, 8)
	if !ok || len(minute) != 2 || err1 != nil || err2 != nil || m > 59 || h > 24 || h == 24 && m > 0 {
		w.problem(column, "%q 不是时间,如 07:30 / is not a time such as 07:30", value)
		return 0
	}
	return uint16(h%24*60 + m)
}

func (w *row) day(column string) uint32 {
	value := w.text(column)
	if value == "" {
		return 0
	}
	date, err := time.Parse(time.DateOnly, value)
	if err != nil || date.Unix() < 0 {
		w.problem(column, "%q 不是日期,如 2030-06-30 / is not a date such as 2030-06-30", value)
		return 0
	}
	return uint32(date.Unix() / 86400)
}

func (w *row) digits(column string, least, most int) uint64 {
	if !w.has(column) {
		return 0
	}
	value := w.text(column)
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil && strings.ContainsAny(value, "eE") && strings.Contains(value, "+") {
		w.problem(column, "%q 被表格软件改成了科学计数,请将该列设为文本 / was turned into a power of ten by a spreadsheet: format the column as text", value)
		return 0
	}
	if err != nil || len(value) < least || len(value) > most {
		w.problem(column, "须为 %d 至 %d 位数字 / must be %d to %d digits", least, most, least, most)
		return 0
	}
	return n
}

// hex returns nil when it has reported a problem.
func (w *row) hex(column string) []byte {
	if !w.has(column) {
		return nil
	}
	b, err := hex.DecodeString(w.text(column))
	if err != nil || len(b) == 0 {
		w.problem(column, "须为十六进制 / must be hexadecimal")
		return nil
	}
	return b
}

// exact is text of a fixed number of ASCII bytes.
func (w *row) exact(column string, size int) string {
	value := w.needed(column)
	if value != "" && (len(value) != size || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })) {
		w.problem(column, "须为 %d 个字符 / must be %d ASCII characters", size, size)
	}
	return value
}

func merchantCode(s string) (code transaction.MerchantCode) {
	copy(code[:], s)
	return code
}

func terminalCode(s string) (code transaction.TerminalCode) {
	copy(code[:], s)
	return code
}

// luhn says whether the last digit is the right check digit (ISO/IEC 7812-1).
func luhn(number uint64) bool {
	sum := uint64(0)
	for i := 0; number > 0; i++ {
		d := number % 10
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		number /= 10
	}
	return sum%10 == 0
}

// groups reads "1;2;5" into a set of bits.
func (w *row) groups(column string) uint64 {
	var set uint64
	for _, part := range strings.FieldsFunc(w.text(column), func(r rune) bool { return r == ';' || r == ' ' }) {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || n > 63 {
			w.problem(column, "%q 不是 0 至 63 的编号 / is not a number from 0 to 63", part)
			continue
		}
		set |= 1 << n
	}
	return set
}

// The days of a grant: a range, a list, or all.
func (w *row) weekdays(column, value string) uint8 {
	names := []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
	find := func(name string) int {
		for i, n := range names {
			if n == name {
				return i
			}
		}
		w.problem(column, "%q 不是星期:Mon..Sun、Mon-Fri 或 daily / is not a day: Mon..Sun, Mon-Fri or daily", name)
		return -1
	}
	if value == "daily" {
		return 0x7F
	}
	var set uint8
	for _, part := range strings.Split(value, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first := find(from)
		last := first
		if isRange {
			last = find(to)
		}
		if first < 0 || last < 0 {
			return 0
		}
		for i := first; ; i = (i + 1) % 7 {
			set |= 1 << i
			if i == last {
				break
			}
		}
	}
	return set
}

// grants reads "1:Mon-Fri:06:00-23:00|2:daily:00:00-24:00".
func (w *row) grants(column string) []transaction.Grant {
	var grants []transaction.Grant
	for _, part := range strings.Split(w.text(column), "|") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		fields := strings.SplitN(part, ":", 3)
		from, to, ok := "", "", false
		if len(fields) == 3 {
			from, to, ok = strings.Cut(fields[2], "-")
		}
		group, err := strconv.ParseUint(fields[0], 10, 8)
		if !ok || err != nil || group > 63 {
			w.problem(column, "%q 应如 1:Mon-Fri:06:00-23:00 / write it as 1:Mon-Fri:06:00-23:00", part)
			continue
		}
		grants = append(grants, transaction.Grant{Group: uint8(group), Weekdays: w.weekdays(column, fields[1]), From: w.minute(column, from), To: w.minute(column, to)})
	}
	return grants
}
