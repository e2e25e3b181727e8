package banksim

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"onecard/switch/iso8583"
)

// place is where a field of a record stands: a fixed place, filled up with spaces behind, or with zeros before a number. field is the one
// of ISO 8583 that means the same; 0: nothing inside the bank.
type place struct {
	field, width int
	number       bool
	key          bool // hexadecimal digits: see keyText
}

// loadPlaces is a load and its answer:
//
//	MMDDhhmmss | hhmmss | MMDD | trace | acquirer | sender | terminal | merchant | reference | account | campus card | fen | 156 |
//	answer | the bank's number | words in GBK
var loadPlaces = []place{
	{7, 10, true, false},
	{12, 6, true, false},
	{13, 4, true, false},
	{11, 6, true, false},
	{32, 11, false, false},
	{33, 11, false, false},
	{41, 8, false, false},
	{42, 15, false, false},
	{37, 12, true, false},
	{102, 19, false, false},
	{103, 19, false, false},
	{4, 12, true, false},
	{49, 3, true, false},
	{39, 6, false, false},
	{38, 12, false, false},
	{0, 40, false, false},
}

// reversalPlaces has the cause and the original data before them.
var reversalPlaces = tableOf([]place{{60, 4, true, false}, {90, 42, true, false}}, loadPlaces)

// queryPlaces has what the load was answered and the original data before them.
var queryPlaces = tableOf([]place{{44, 6, false, false}, {90, 42, true, false}}, loadPlaces)

// signingPlaces is a question about an agreement and its answer: as a load up to the reference, then what is asked | account | the holder's
// number | identity number and name in GBK | answer | the bank's number | Y or N | words.
var signingPlaces = tableOf(loadPlaces[:9:9], []place{
	{3, 6, true, false},
	{102, 19, false, false},
	{103, 28, false, false},
	{61, 80, false, false},
	{39, 6, false, false},
	{38, 12, false, false},
	{44, 1, false, false},
	{0, 40, false, false},
})

// balancePlaces is a balance enquiry and its answer: as a load up to the reference, then what is asked | account | answer | the bank's number | the
// balance as DE 54 has it | words.
var balancePlaces = tableOf(loadPlaces[:9:9], []place{
	{3, 6, true, false},
	{102, 19, false, false},
	{39, 6, false, false},
	{38, 12, false, false},
	{54, 20, false, false},
	{0, 40, false, false},
})

// networkPlaces is: MMDDhhmmss | trace | sender | receiver | function | answer | words.
var networkPlaces = []place{{7, 10, true, false}, {11, 6, true, false}, {33, 11, false, false}, {100, 11, false, false}, {70, 3, true, false}, {39, 6, false, false}, {0, 40, false, false}}

// keyPlacesOfRecord has the key and its check value before the answer.
var keyPlacesOfRecord = []place{
	{7, 10, true, false},
	{11, 6, true, false},
	{33, 11, false, false},
	{100, 11, false, false},
	{70, 3, true, false},
	{48, 32, false, true},
	{96, 8, false, true},
	{39, 6, false, false},
	{0, 40, false, false},
}

// actOf is DE 3 of a message that has a code of its own for it.
func actOf(m *iso8583.BankMessage) string {
	switch {
	case isWithdrawal(m):
		return creditAct
	case m.String(3) == balanceAct:
		return balanceAct
	}
	return ""
}

func tableOf(first, rest []place) []place { return append(first, rest...) }

// recordKind is a transaction code.
type recordKind struct {
	code, mti string
	places    []place
	act       string // DE 3, where the code stands for it; "" any other
}

var recordKinds = []recordKind{
	{"2001", "0200", loadPlaces, ""},
	{"2002", "0210", loadPlaces, ""},
	{"2101", "0420", reversalPlaces, ""},
	{"2111", "0421", reversalPlaces, ""},
	{"2102", "0430", reversalPlaces, ""},
	{"2201", "0600", queryPlaces, ""},
	{"2202", "0610", queryPlaces, ""},
	{"2301", "0100", signingPlaces, ""},
	{"2302", "0110", signingPlaces, ""},
	{"2401", "0200", loadPlaces, creditAct},
	{"2411", "0201", loadPlaces, creditAct},
	{"2402", "0210", loadPlaces, creditAct},
	{"2501", "0200", balancePlaces, balanceAct},
	{"2502", "0210", balancePlaces, balanceAct},
	{"9001", "0820", networkPlaces, ""},
	{"9002", "0830", networkPlaces, ""},
	{"9011", "0800", keyPlacesOfRecord, ""},
	{"9012", "0810", keyPlacesOfRecord, ""},
}

// creditAct is DE 3 of a credit to an account.
const creditAct = "290000"

const (
	recordCodeSize = 4
	recordMACSize  = 2 * iso8583.MACSize
)

// words are what the bank adds for people, in GBK: 交易成功 and 交易失败.
var words = map[bool]string{true: "\xBD\xBB\xD2\xD7\xB3\xC9\xB9\xA6", false: "\xBD\xBB\xD2\xD7\xCA\xA7\xB0\xDC"}

var errNoRecord = errors.New("not a record of this bank")

// recordWire is records of fixed places: transaction code, places, MAC in 16 hexadecimal digits.
type recordWire struct {
	profile *iso8583.BankProfile
	signer  signer
	out     []byte
}

func (w *recordWire) open(raw []byte) (*iso8583.BankMessage, error) {
	if len(raw) < recordCodeSize+recordMACSize {
		return nil, errNoRecord
	}
	record := raw[:len(raw)-recordMACSize]
	signed := func(mac *iso8583.MAC) error {
		sum := mac.Sum(nil, record)
		if want := strings.ToUpper(hex.EncodeToString(sum[:])); want != string(raw[len(record):]) {
			return iso8583.ErrBankMAC
		}
		return nil
	}
	wrong := signed(w.signer.mac(keyNow))
	if wrong != nil {
		wrong = w.signer.another(signed)
	}
	for _, kind := range recordKinds {
		if kind.code == string(record[:recordCodeSize]) {
			m, err := w.read(&kind, record[recordCodeSize:])
			return m, cmp.Or(err, wrong)
		}
	}
	return nil, errNoRecord
}

func (w *recordWire) read(kind *recordKind, record []byte) (*iso8583.BankMessage, error) {
	m := iso8583.NewBankMessage(w.profile, kind.mti)
	if kind.act != "" {
		m.Set(3, kind.act)
	}
	for _, p := range kind.places {
		if len(record) < p.width {
			return nil, errNoRecord
		}
		if p.field != 0 && !p.key { // the campus sends none
			m.Set(p.field, strings.TrimRight(string(record[:p.width]), " "))
		}
		record = record[p.width:]
	}
	if len(record) > 0 {
		return nil, errNoRecord
	}
	return m, nil
}

func (w *recordWire) seal(m *iso8583.BankMessage) ([]byte, error) {
	for _, kind := range recordKinds {
		if kind.mti != m.MTI() || kind.act != actOf(m) {
			continue
		}
		w.out = append(w.out[:0], kind.code...)
		for _, p := range kind.places {
			value := m.String(p.field)
			if p.key {
				value = keyText(p.field, value)
			}
			if p.field == 0 && m.Has(fieldResponse) {
				value = words[m.String(fieldResponse) == codeApproved]
			}
			w.out = append(w.out, value...)
			w.out = append(w.out, bytes.Repeat([]byte{' '}, p.width-len(value))...)
		}
		sum := w.signer.of(m).Sum(nil, w.out)
		w.out = append(w.out, strings.ToUpper(hex.EncodeToString(sum[:]))...)
		return w.out, nil
	}
	return nil, fmt.Errorf("bank simulator: there is no record for %s", m.MTI())
}

// fieldResponse is DE 39.
const fieldResponse = 39
