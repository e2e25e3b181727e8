package bankgw

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"onecard/switch/transaction"
)

// source is what a field of a message is filled from, or read into. A dialect's table names it.
type source uint8

const (
	sourceLiteral source = iota
	sourceAccount
	sourceCard
	sourceAmount
	sourceTrace
	sourceReference
	sourceTerminal
	sourceMerchant
	sourceDateTime
	sourceSent
	sourceDate
	sourceTime
	sourceFullDate
	sourceSettlementDate
	sourceInstitution
	sourceForwarding
	sourceReceiving
	sourceMerchantType
	sourceCause
	sourceOriginal
	sourceFunction
	sourceAct // these three: of agreements
	sourceHolder
	sourceIdentity
	sourceDebits // of a day's totals
	sourceDebitAmount
	sourceReversed
	sourceReversedAmount
	sourceCredits
	sourceCreditAmount
	sourceNet
	sourceCode // answers alone from here on
	sourceBank
	sourceText
	sourceFate
	sourceAgreement
	sourceBankDate
	sourceBalance
	sourceNewKey // key changes alone from here on
	sourceCheckValue
	sourceCheckedKey
	sourceCount
)

// sourceInfo is how a source is called and what it holds.
type sourceInfo struct {
	name   string
	width  int  // characters at most
	fixed  bool // always that many
	number bool // digits
}

var sources = [sourceCount]sourceInfo{
	sourceAccount:        {"account", 19, false, true},         // the holder's bank card or account
	sourceCard:           {"card", 19, false, true},            // his campus card
	sourceAmount:         {"amount", 12, false, true},          // fen
	sourceTrace:          {"trace", 6, true, true},             // of the load; of a network message its own
	sourceReference:      {"reference", 12, true, true},        // of the load, unique for ever
	sourceTerminal:       {"terminal", 8, true, false},         //
	sourceMerchant:       {"merchant", 15, true, false},        //
	sourceDateTime:       {"date_time", 10, true, true},        // MMDDhhmmss of the decision; of a network message now
	sourceSent:           {"sent", 10, true, true},             // MMDDhhmmss at which this very message goes out: each repeat has its own
	sourceDate:           {"date", 4, true, true},              // MMDD
	sourceTime:           {"time", 6, true, true},              // hhmmss
	sourceFullDate:       {"full_date", 8, true, true},         // YYYYMMDD
	sourceSettlementDate: {"settlement_date", 4, true, true},   // MMDD of the business day
	sourceInstitution:    {"institution", 11, false, true},     // these four: keys of the bank's group
	sourceForwarding:     {"forwarding", 11, false, true},      //
	sourceReceiving:      {"receiving", 11, false, true},       //
	sourceMerchantType:   {"merchant_type", 4, true, true},     //
	sourceCause:          {"cause", 4, true, true},             // of a reversal
	sourceOriginal:       {"original", 42, true, true},         // as DE 90 has it: 0200, trace, date_time, institution, forwarding
	sourceFunction:       {"function", 3, true, true},          // 001 sign-on, 002 sign-off, 101 new key, 201 and 202 cut-over, 301 echo
	sourceAct:            {"act", 6, true, true},               // 890000 binds, 920000 releases, 330000 verifies, 300000 asks for the balance
	sourceHolder:         {"holder", 28, false, false},         // his number at the site
	sourceIdentity:       {"identity", 80, false, false},       // 20 of his identity number, then his name in GBK
	sourceDebits:         {"debits", 10, true, true},           // loads that the bank has debited, by number
	sourceDebitAmount:    {"debit_amount", 16, true, true},     // and in fen
	sourceReversed:       {"reversed", 10, true, true},         // loads that the bank has taken back
	sourceReversedAmount: {"reversed_amount", 16, true, true},  //
	sourceCredits:        {"credits", 10, true, true},          // withdrawals that the bank has paid
	sourceCreditAmount:   {"credit_amount", 16, true, true},    //
	sourceNet:            {"net", 17, true, false},             // D or C and 16 digits: debits less reversed and credits
	sourceCode:           {"code", 6, false, false},            // the bank's response code
	sourceBank:           {"bank_reference", 12, false, false}, // the bank's own number of what it did
	sourceText:           {"text", 64, false, false},           // the bank's words
	sourceFate:           {"original_code", 6, false, false},   // of a query: what the load was answered
	sourceAgreement:      {"agreement", 1, false, false},       // of a verification: Y the bank has one with this holder, N it has none
	sourceBankDate:       {"bank_date", 4, true, true},         // MMDD of the bank's settlement date
	sourceNewKey:         {"new_key", 32, true, false},         // under the ZMK: NK and its bytes in a field, hexadecimal digits in a record
	sourceCheckValue:     {"check_value", 8, true, false},      // of the new key: its first four bytes count in a field, hexadecimal digits in a record
	sourceCheckedKey:     {"checked_key", 22, true, false},     // in a field: NK, the key and four bytes of its check value
	sourceBalance:        {"balance", 120, false, false},       // of a balance enquiry: as DE 54 has it
}

// isOf says whether a source may be in a message: what an agreement is about is in no other, nor is what an account has.
func (s source) isOf(message string) bool {
	switch s {
	case sourceAct:
		return message == signingTable || message == balanceTable
	case sourceHolder, sourceIdentity, sourceAgreement:
		return message == signingTable
	case sourceBalance:
		return message == balanceTable
	}
	return true
}

// part is one place of a message: what it is filled from, in how many characters. width 0: as many as there are.
type part struct {
	source  source
	literal string
	field   int // ISO 8583
	width   int
	number  bool // filled up with zeros before it; else with spaces behind it
}

// parseSource reads the name of a source, or a literal: digits, or anything in single quotes.
func parseSource(text string) (part, error) {
	for s := sourceLiteral + 1; s < sourceCount; s++ {
		if sources[s].name == text {
			return part{source: s, number: sources[s].number}, nil
		}
	}
	if text != "" && onlyDigits(text) {
		return part{literal: text, number: true}, nil
	}
	if quoted, ok := strings.CutPrefix(text, "'"); ok && len(quoted) > 1 && quoted[len(quoted)-1] == '\'' {
		return part{literal: quoted[:len(quoted)-1]}, nil
	}
	return part{}, fmt.Errorf("须为数字、'文本' 或来源之一 / must be digits, 'text' or one of the sources %s, is %q", sourceNames(), text)
}

func sourceNames() string {
	var names []string
	for _, s := range sources[1:] {
		names = append(names, s.name)
	}
	return strings.Join(names, " ")
}

// content is what one message is about.
type content struct {
	config   *Config
	order    *transaction.LoadOrder // nil: a network message
	moment   time.Time              // at the bank's: of the decision, or now
	sent     time.Time              // at the bank's, of a reversal: now
	trace    uint32
	cause    string
	function int
	signing  *signingContent // nil: not about an agreement
	totals   *Totals
	code     string // of our answers
}

// local is the bank's time.
func (c *Config) local(micros int64) time.Time { return time.UnixMicro(micros).UTC().Add(c.Zone) }

func (c *Config) ofOrder(o *transaction.LoadOrder) content {
	return content{config: c, order: o, moment: c.local(o.Time), trace: traceOf(o.Load)}
}

// append writes a part's value, filled up to its width where it has one. It does not look whether it fits: the tables have been checked.
func (c *content) append(dst []byte, p *part) []byte {
	at := len(dst)
	if p.source == sourceLiteral {
		dst = append(dst, p.literal...)
	} else {
		dst = c.appendSource(dst, p.source)
	}
	missing := p.width - (len(dst) - at)
	if missing <= 0 {
		return dst
	}
	if !p.number {
		return fill(dst, ' ', missing)
	}
	dst = fill(dst, '0', missing)
	copy(dst[at+missing:], dst[at:len(dst)-missing])
	for i := range missing {
		dst[at+i] = '0'
	}
	return dst
}

func fill(dst []byte, with byte, times int) []byte {
	for range times {
		dst = append(dst, with)
	}
	return dst
}

func (c *content) appendSource(dst []byte, s source) []byte {
	if c.order != nil {
		switch s {
		case sourceAccount:
			return strconv.AppendUint(dst, c.order.BankAccount, 10)
		case sourceCard:
			if c.order.Card == 0 { // the holder of a withdrawal has none
				return dst
			}
			return strconv.AppendUint(dst, uint64(c.order.Card), 10)
		case sourceAmount:
			return strconv.AppendUint(dst, uint64(c.order.Amount), 10)
		case sourceReference:
			reference := transaction.ReferenceOf(c.order.Load)
			return append(dst, reference[:]...)
		case sourceTerminal:
			return append(dst, c.order.TerminalCode[:]...)
		case sourceMerchant:
			return append(dst, c.order.MerchantCode[:]...)
		case sourceSettlementDate:
			day := time.Unix(int64(c.order.Day)*int64(24*time.Hour/time.Second), 0).UTC()
			return appendDate(dst, day)
		case sourceOriginal:
			dst = append(dst, mtiLoad...)
			dst = appendDateTime(appendDigits(dst, int(c.trace), 6), c.moment)
			return appendCode(appendCode(dst, c.config.Institution), c.config.Forwarding)
		}
	}
	if c.signing != nil {
		if value, ok := c.signing.value(s); ok {
			return append(dst, value...)
		}
	}
	if c.totals != nil && s >= sourceDebits && s <= sourceNet || c.totals != nil && s == sourceSettlementDate {
		return c.totals.append(dst, s)
	}
	switch s {
	case sourceTrace:
		return appendDigits(dst, int(c.trace), 6)
	case sourceDateTime:
		return appendDateTime(dst, c.moment)
	case sourceSent:
		return appendDateTime(dst, c.sent)
	case sourceDate:
		return appendDate(dst, c.moment)
	case sourceTime:
		return appendClock(dst, c.moment)
	case sourceFullDate:
		return appendDate(appendDigits(dst, c.moment.Year(), 4), c.moment)
	case sourceInstitution:
		return append(dst, c.config.Institution...)
	case sourceForwarding:
		return append(dst, c.config.Forwarding...)
	case sourceReceiving:
		return append(dst, c.config.Receiving...)
	case sourceMerchantType:
		return append(dst, c.config.MerchantType...)
	case sourceCause:
		return append(dst, c.cause...)
	case sourceFunction:
		return appendDigits(dst, c.function, 3)
	case sourceCode:
		return append(dst, c.code...)
	}
	return dst
}

// appendDigits writes a number in a fixed number of digits.
func appendDigits(dst []byte, n, digits int) []byte {
	at := len(dst)
	dst = fill(dst, '0', digits)
	for i := len(dst) - 1; i >= at; i, n = i-1, n/10 {
		dst[i] = '0' + byte(n%10)
	}
	return dst
}

func appendDate(dst []byte, t time.Time) []byte {
	_, month, day := t.Date()
	return appendDigits(dst, 100*int(month)+day, 4)
}

func appendClock(dst []byte, t time.Time) []byte {
	hour, minute, second := t.Clock()
	return appendDigits(dst, 10_000*hour+100*minute+second, 6)
}

func appendDateTime(dst []byte, t time.Time) []byte { return appendClock(appendDate(dst, t), t) }

// appendCode writes an institution's code in the eleven digits of DE 90.
func appendCode(dst []byte, code string) []byte {
	return append(fill(dst, '0', 11-len(code)), code...)
}
