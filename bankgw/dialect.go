package bankgw

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"onecard/switch/iso8583"
)

// DialectKind is how a bank's messages are made.
type DialectKind string

// Kinds: fields behind a bitmap, or records whose fields stand at fixed places.
const (
	DialectISO8583 DialectKind = "iso8583"
	DialectRecord  DialectKind = "record"
)

// Dialect is the table of one bank: what its messages hold and what its codes mean. It is data, read and checked at the start.
//
// A line of a message's table says what is filled from what: "4=amount" in ISO 8583, "amount:12" in a record. On the right, or before the
// colon, stands a source (see source.go), digits as they are, or 'text' as it is. What has no value is left out, or left blank.
type Dialect struct {
	// Kind of messages: iso8583 or record.
	Kind DialectKind `yaml:"kind"`
	// Fields of ISO 8583 that are different at this bank, such as "102=ans..32"; see iso8583.NewBankProfile.
	Fields []string `yaml:"fields"`
	// MACField is where the MAC is: 128, or 64 in messages that have no field above 64.
	MACField int `yaml:"mac_field"`
	// Load, Reversal, Query, Network and Signing are the fields of ISO 8583 messages. Field 7 of a reversal is the original's (date_time): then a repeat
	// is the same message, and a bank that looks for the original by fields 7 and 11 finds it, too. With 7=sent each repeat has its own, and the 25 of a
	// bank that forgets reversals which find nothing tells which of them it answers; field 90 has the original's all the same. What a query tells of the
	// load stands in field 44, and what the bank says of an agreement too. Without Signing the bank has no message for agreements: they cannot be made with it.
	Load     []string `yaml:"load"`
	Reversal []string `yaml:"reversal"`
	Query    []string `yaml:"query"`
	Network  []string `yaml:"network"`
	Signing  []string `yaml:"signing"`
	// Totals are the fields of a day's totals (0520), and of the answer to the bank's own (0530), which has 39 and 66 besides; with the feature
	// totals.
	Totals []string `yaml:"totals"`
	// Keys is where the bank's change of the MAC key (0800, function 101) has the key and its check value, whose other fields are those of
	// Network: new_key and check_value, or checked_key, which holds both. Empty: the bank has no key change.
	Keys []string `yaml:"keys"`
	// Withdrawal is likewise of a credit to the account; its answer has what it is recognised by in the fields of Load.
	Withdrawal []string `yaml:"withdrawal"`
	// Balance is likewise of a balance enquiry.
	Balance []string `yaml:"balance"`
	// Record is the layout of records.
	Record RecordLayout `yaml:"record"`
	// Codes of the bank and what a terminal is told for them, such as "A0=91". A code of two characters that is not here is told as it is;
	// a longer one is uncertain.
	Codes []string `yaml:"codes"`
	// UncertainCodes do not say that nothing was taken: the load is taken back.
	UncertainCodes []string `yaml:"uncertain_codes"`
	// NotFoundCodes say that there is nothing to take back.
	NotFoundCodes []string `yaml:"not_found_codes"`
	// NotNowCodes say that the bank could not look: nothing about what was sent before. A withdrawal is asked for again.
	NotNowCodes []string `yaml:"not_now_codes"`
	// Features are what the bank can do besides: query, balance, auto_load, reversal_of_reversal, totals, withdrawal, withdrawal_once.
	Features []string `yaml:"features"`
}

// Features of a bank. Not every bank has them (domain handbook 2.7).
const (
	FeatureQuery              = "query"     // it says what became of a load
	FeatureBalance            = "balance"   // it says what an account has
	FeatureAutoLoad           = "auto_load" // it takes loads that nobody has keyed a PIN for
	FeatureReversalOfReversal = "reversal_of_reversal"
	FeatureTotals             = "totals"          // it takes our totals of a closed day, and says its own
	FeatureWithdrawal         = "withdrawal"      // it pays accounts, and gives a repeated request the answer of the first, refusals too
	FeatureWithdrawalOnce     = "withdrawal_once" // it pays accounts, and must not be sent a request twice
)

// features are all of them.
var features = []string{FeatureQuery, FeatureBalance, FeatureAutoLoad, FeatureReversalOfReversal, FeatureTotals, FeatureWithdrawal, FeatureWithdrawalOnce}

// TakesWithdrawals says whether the bank pays accounts.
func (d *Dialect) TakesWithdrawals() bool {
	return d.Has(FeatureWithdrawal) || d.Has(FeatureWithdrawalOnce)
}

// Has says whether the bank has a feature.
func (d *Dialect) Has(feature string) bool { return slices.Contains(d.Features, feature) }

// DefaultDialect is "Bank-8583 v1" (wire handbook 5.2), and a record layout beside it that says the same.
func DefaultDialect() Dialect {
	// Codes of loads: DE 3, 22, 25, 49 (wire handbook 3.5).
	load := []string{
		"2=account", "3=600000", "4=amount", "7=date_time", "11=trace", "12=time", "13=date", "18=merchant_type", "22=012", "25=91",
		"32=institution", "33=forwarding", "37=reference", "41=terminal", "42=merchant", "49=156", "102=account", "103=card",
	}
	return Dialect{
		Kind: DialectISO8583, Fields: []string{}, MACField: 128,
		Load: load, Reversal: append(slices.Clone(load), "60=cause", "90=original"),
		Query: []string{
			"3=380000", "4=amount", "7=date_time", "11=trace", "32=institution", "33=forwarding", "37=reference", "41=terminal", "42=merchant", "90=original", "102=account",
		},
		Network: []string{"7=date_time", "11=trace", "33=forwarding", "70=function", "100=receiving"},
		// A credit to the account (代付, wire handbook 3.5).
		Withdrawal: []string{
			"2=account", "3=290000", "4=amount", "7=date_time", "11=trace", "12=time", "13=date", "18=merchant_type", "22=012", "25=00",
			"32=institution", "33=forwarding", "37=reference", "41=terminal", "42=merchant", "49=156", "102=account", "103=card",
		},
		Balance: []string{
			"2=account", "3=act", "7=date_time", "11=trace", "12=time", "13=date", "18=merchant_type", "22=012", "25=00",
			"32=institution", "33=forwarding", "37=reference", "41=terminal", "42=merchant", "49=156", "102=account",
		},
		Signing: []string{
			"2=account", "3=act", "7=date_time", "11=trace", "12=time", "13=date", "18=merchant_type", "25=00", "32=institution", "33=forwarding", "37=reference",
			"41=terminal", "42=merchant", "61=identity", "102=account", "103=holder",
		},
		Totals: []string{
			"7=date_time", "11=trace", "15=settlement_date", "33=forwarding", "50=156", "66=0", "74=credits", "75=0", "76=debits", "77=reversed", "86=credit_amount", "87=0", "88=debit_amount",
			"89=reversed_amount", "97=net",
		},
		Keys:   []string{"48=new_key", "96=check_value"},
		Record: defaultRecordLayout(),
		// About the link between the bank and us: a terminal that read them would take them for its own and sign on again.
		Codes: []string{"97=91", "99=91", "A0=91", "C1=91"},
		// An approval of another kind (10 a part, 11 VIP, 16 and A2 to A6 with a defect), a bank that has no answer itself (68, 98), a
		// duplicate of something we sent once (94).
		UncertainCodes: []string{"10", "11", "16", "A2", "A4", "A5", "A6", "68", "94", "98"},
		NotFoundCodes:  []string{"25"}, NotNowCodes: []string{"90", "91", "92", "96"}, Features: []string{},
	}
}

// validate reports what is wrong with the keys of a dialect. Tables that are not used are not looked at.
func (d *Dialect) validate(f *keyFaults, changesKeys bool) {
	switch d.Kind {
	case DialectISO8583:
		profile := d.profile(f)
		load := fieldParts(f, "load", d.Load, profile)
		needs(f, "load", load, sourceAmount, sourceTrace, sourceReference, sourceTerminal)
		reversal := fieldParts(f, "reversal", d.Reversal, profile)
		needs(f, "reversal", reversal, sourceAmount, sourceTrace, sourceReference, sourceTerminal)
		query := fieldParts(f, "query", d.Query, profile)
		if d.Has(FeatureQuery) {
			needs(f, "query", query, sourceTrace, sourceReference, sourceTerminal)
		}
		var withdrawal []part // of a bank that takes none nothing is asked
		if d.TakesWithdrawals() {
			withdrawal = fieldParts(f, "withdrawal", d.Withdrawal, profile)
			needs(f, "withdrawal", withdrawal, sourceAmount, sourceTrace, sourceReference, sourceTerminal, sourceAccount)
		}
		for _, s := range []source{sourceAmount, sourceTrace, sourceReference, sourceTerminal} {
			for name, other := range map[string]int{"reversal": fieldOf(reversal, s), "query": fieldOf(query, s), "withdrawal": fieldOf(withdrawal, s)} {
				if l := fieldOf(load, s); l != other && l*other != 0 {
					f.wrong("dialect."+name, "%s 须与 load 在同一域 / %[1]s must be in the same field as in load", sources[s].name)
				}
			}
		}
		needs(f, "network", fieldParts(f, "network", d.Network, profile), sourceTrace, sourceFunction)
		if d.Has(FeatureBalance) {
			needs(f, balanceTable, fieldParts(f, balanceTable, d.Balance, profile), balanceNeeds[:]...)
		}
		if signing := fieldParts(f, "signing", d.Signing, profile); len(signing) > 0 {
			needs(f, "signing", signing, signingNeeds[:]...)
		}
		if changesKeys {
			keyFields(f, d.Keys, profile)
		}
		if d.Has(FeatureTotals) {
			totals := fieldParts(f, "totals", d.Totals, profile)
			needs(f, "totals", totals, sourceTrace, sourceSettlementDate, sourceDebits, sourceDebitAmount, sourceReversed, sourceReversedAmount)
		}
	case DialectRecord:
		if d.Record.validate(f); d.TakesWithdrawals() {
			d.Record.has(f, "withdrawal", d.Record.Withdrawal, "withdrawal=", "withdrawal_repeat=", "withdrawal_answer=")
		}
		if d.Has(FeatureBalance) {
			d.Record.has(f, balanceTable, d.Record.Balance, "balance=", "balance_answer=")
		}
		if d.Has(FeatureTotals) {
			f.wrong("dialect.features", "定长记录没有总额报文 / records have no totals")
		}
	default:
		f.wrong("dialect.kind", "须为 iso8583 或 record / must be iso8583 or record, is %q", d.Kind)
	}
	d.validateCodes(f)
	for _, feature := range d.Features {
		if !slices.Contains(features, feature) {
			f.wrong("dialect.features", "须为其一 / must be one of %s, is %q", strings.Join(features, ", "), feature)
		}
	}
}

func (d *Dialect) validateCodes(f *keyFaults) {
	seen := map[string]bool{}
	for _, line := range d.Codes {
		bank, _, ok := cutCode(line)
		switch {
		case !ok:
			f.wrong("dialect.codes", "须如 A0=91:银行的 2 至 6 位,我方的 2 位 / must be like A0=91, 2 to 6 characters of the bank's and 2 of ours, is %q", line)
		case seen[bank]:
			f.wrong("dialect.codes", "%s 出现两次 / %[1]s is there twice", bank)
		}
		seen[bank] = true
	}
	for key, codes := range map[string][]string{"dialect.uncertain_codes": d.UncertainCodes, "dialect.not_found_codes": d.NotFoundCodes, "dialect.not_now_codes": d.NotNowCodes} {
		for _, code := range codes {
			if !isBankCode(code) {
				f.wrong(key, "须为 2 至 6 位字母数字 / must be 2 to 6 letters or digits, is %q", code)
			}
			if code == "00" || strings.HasSuffix(ofBankCode(d.Codes, code), "=00") {
				f.wrong(key, "%s 是成功 / %[1]s is an approval", code)
			}
		}
	}
}

// ofBankCode is the line about a code, "" when there is none.
func ofBankCode(lines []string, code string) string {
	at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, code+"=") })
	if at < 0 {
		return ""
	}
	return lines[at]
}

// cutCode reads a line such as A0=91.
func cutCode(line string) (bank, ours string, ok bool) {
	bank, ours, ok = strings.Cut(line, "=")
	return bank, ours, ok && isBankCode(bank) && len(ours) == 2 && isBankCode(ours)
}

func isBankCode(code string) bool {
	return len(code) >= 2 && len(code) <= sources[sourceCode].width && !strings.ContainsFunc(code, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	})
}

// profile is the fields as the bank has them.
func (d *Dialect) profile(f *keyFaults) *iso8583.BankProfile {
	fields := map[int]string{}
	for _, line := range d.Fields {
		number, notation, _ := strings.Cut(line, "=")
		n, err := strconv.Atoi(number)
		if err != nil || fields[n] != "" {
			f.wrong("dialect.fields", "须如 102=ans..32,每域一次 / must be like 102=ans..32, each field once, is %q", line)
			continue
		}
		fields[n] = notation
	}
	profile, faults := iso8583.NewBankProfile(fields, d.MACField)
	for n, err := range faults {
		if n == 0 {
			f.wrong("dialect.mac_field", "%s", err)
			continue
		}
		f.wrong("dialect.fields", "域 %d / field %[1]d: %s", n, err)
	}
	return profile
}

// fieldParts reads the table of one ISO 8583 message.
func fieldParts(f *keyFaults, message string, lines []string, profile *iso8583.BankProfile) []part {
	key, parts, seen := "dialect."+message, make([]part, 0, len(lines)), map[int]bool{}
	for _, line := range lines {
		number, text, _ := strings.Cut(line, "=")
		p, err := parseSource(text)
		p.number = p.number && !ownReference(message, p.source)
		n, notNumber := strconv.Atoi(number)
		if err = errors.Join(notNumber, err); err != nil {
			f.wrong(key, "须如 4=amount / must be like 4=amount, is %q: %s", line, err)
			continue
		}
		shape, known := profile.Shape(n)
		switch {
		case !known, n == 64, n == 128:
			f.wrong(key, "银行没有域 %d / the bank has no field %[1]d", n)
		case seen[n]:
			f.wrong(key, "域 %d 出现两次 / field %[1]d is there twice", n)
		case p.source >= sourceDebits && p.source <= sourceNet && message != "totals":
			f.wrong(key, "%s 只在总额报文中 / %[1]s is in totals only", sources[p.source].name)
		case p.source >= sourceCode:
			f.wrong(key, "%s 只在应答中 / %[1]s is in answers only", sources[p.source].name)
		case !p.source.isOf(message):
			f.wrong(key, "%s 不在此报文 / %[1]s is not of this message", sources[p.source].name)
		default:
			p.field = n
			fitField(f, key, &p, shape)
			parts = append(parts, p)
		}
		seen[n] = true
	}
	return parts
}

// keyFields reads the table of a key change.
func keyFields(f *keyFaults, lines []string, profile *iso8583.BankProfile) (parts []part) {
	for _, line := range lines {
		number, text, _ := strings.Cut(line, "=")
		p, err := parseSource(text)
		n, notNumber := strconv.Atoi(number)
		shape, known := profile.Shape(n)
		size := map[source]int{sourceNewKey: len(newKeyTag) + 16, sourceCheckedKey: sources[sourceCheckedKey].width, sourceCheckValue: checkValueBytes}[p.source]
		switch {
		case err != nil || notNumber != nil || size == 0:
			f.wrong("dialect.keys", "须如 48=new_key、96=check_value 或 48=checked_key / must be like 48=new_key, 96=check_value or 48=checked_key, is %q", line)
			continue
		case !known, shape.Text, shape.Length < size, shape.Fixed && p.source != sourceCheckValue && shape.Length != size:
			f.wrong("dialect.keys", "域 %d 须能存放 %d 字节 / field %[1]d must have room for %[2]d bytes", n, size)
		}
		p.field = n
		parts = append(parts, p)
	}
	key, value, both := fieldOf(parts, sourceNewKey), fieldOf(parts, sourceCheckValue), fieldOf(parts, sourceCheckedKey)
	if apart, together := key != 0 && value != 0 && key != value && both == 0, key == 0 && value == 0 && both != 0; len(lines) > 0 && !apart && !together {
		f.wrong("dialect.keys", "须为 new_key 与 check_value 各一域,或 checked_key 一域 / must be a field for new_key and one for check_value, or one for checked_key")
	}
	return parts
}

// fitField sees that what a field is filled from always fits it.
func fitField(f *keyFaults, key string, p *part, shape iso8583.FieldShape) {
	width, number := len(p.literal), p.number
	if p.source != sourceLiteral {
		width = sources[p.source].width
	}
	if p.number = shape.Digits; shape.Fixed {
		p.width = shape.Length
	}
	switch {
	case shape.Digits && !number:
		f.wrong(key, "域 %d 只能是数字 / field %[1]d holds digits only", p.field)
	case width > shape.Length:
		f.wrong(key, "域 %d 有 %d 位,需要 %d 位 / field %[1]d has room for %[2]d, %[3]d are needed", p.field, shape.Length, width)
	}
}

// needs sees that a message holds what its answer is recognised by.
func needs(f *keyFaults, message string, parts []part, wanted ...source) {
	for _, s := range wanted {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.source == s }) {
			f.wrong("dialect."+message, "缺少 %s / %[1]s is missing", sources[s].name)
		}
	}
}
