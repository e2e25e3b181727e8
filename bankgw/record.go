package bankgw

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// RecordLayout describes records as many Chinese banks have them: every field stands at a fixed place, filled up with zeros in front when
// it is a number, else with spaces behind. The framing has the length, in four or six digits; request and answer have one layout, in which
// the answer's own fields are blank in the request.
//
//	length 4 or 6 | transaction code 4 | fields of the layout, in their order | MAC: 16 hexadecimal digits or 8 bytes
//
// The MAC is over everything from the transaction code to the last field.
type RecordLayout struct {
	// MAC at the end: hex16 or binary8.
	MAC string `yaml:"mac"`
	// Text is how the bank's words are encoded: ascii or gbk.
	Text string `yaml:"text"`
	// Codes are the transaction codes: load, load_answer, reversal, repeat, reversal_answer, query, query_answer, network, network_answer,
	// signing, signing_answer, withdrawal, withdrawal_repeat, withdrawal_answer, and for a bank that changes keys over the link key, key_answer.
	// The bank's own network messages have the code of ours.
	Codes []string `yaml:"codes"`
	// Load, Reversal, Query, Network and Signing are the fields, as source:width. Without Signing, which then has no codes, the bank has no
	// record for agreements: they cannot be made with it.
	Load     []string `yaml:"load"`
	Reversal []string `yaml:"reversal"`
	Query    []string `yaml:"query"`
	Network  []string `yaml:"network"`
	Signing  []string `yaml:"signing"`
	// Key is the bank's change of the MAC key; empty: it has none.
	Key []string `yaml:"key"`
	// Withdrawal likewise, of a credit to the account; Balance of a balance enquiry.
	Withdrawal []string `yaml:"withdrawal"`
	Balance    []string `yaml:"balance"`
}

const (
	recordMACHex    = "hex16"
	recordMACBytes  = "binary8"
	recordTextASCII = "ascii"
	recordTextGBK   = "gbk"
	recordCodeSize  = 4
	recordSizeMax   = 2048
)

// recordCode is the name of a transaction code and the message type that it stands for.
type recordCode struct {
	name, mti string
	inbound   bool
}

var recordCodes = []recordCode{
	{"load", mtiLoad, false},
	{"load_answer", mtiLoadAnswer, true},
	{"reversal", mtiReversal, false},
	{"repeat", mtiRepeat, false},
	{"reversal_answer", mtiReversalAnswer, true},
	{"query", mtiQuery, false},
	{"query_answer", mtiQueryAnswer, true},
	{"network", mtiNetwork, true},
	{"network_answer", mtiNetworkAnswer, true},
	{"signing", mtiSigning, false},
	{"signing_answer", mtiSigningAnswer, true},
	{"key", mtiKey, true},
	{"key_answer", mtiKeyAnswer, false},
	{"withdrawal", mtiWithdrawal, false},
	{"withdrawal_repeat", mtiWithdrawalRepeat, false},
	{"withdrawal_answer", mtiWithdrawalAnswer, true},
	{"balance", mtiBalance, false},
	{"balance_answer", mtiBalanceAnswer, true},
}

// optional says that a bank may do without a message.
func (c *recordCode) optional() bool { return c.mti == mtiKey || c.mti == mtiKeyAnswer }

func defaultRecordLayout() RecordLayout {
	load := []string{
		"date_time:10", "time:6", "date:4", "trace:6", "institution:11", "forwarding:11", "terminal:8", "merchant:15", "reference:12", "account:19",
		"card:19", "amount:12", "156:3", "code:6", "bank_reference:12", "text:40",
	}
	return RecordLayout{
		MAC: recordMACHex, Text: recordTextGBK,
		Codes: []string{"load=2001", "load_answer=2002", "reversal=2101", "repeat=2111", "reversal_answer=2102", "query=2201", "query_answer=2202", "network=9001", "network_answer=9002", "signing=2301", "signing_answer=2302", "key=9011", "key_answer=9012", "withdrawal=2401", "withdrawal_repeat=2411", "withdrawal_answer=2402", "balance=2501", "balance_answer=2502"},
		Load:  load, Withdrawal: load, Reversal: append([]string{"cause:4", "original:42"}, load...), Query: append([]string{"original_code:6", "original:42"}, load...),
		Network: []string{"date_time:10", "trace:6", "forwarding:11", "receiving:11", "function:3", "code:6", "text:40"},
		Balance: []string{
			"date_time:10", "time:6", "date:4", "trace:6", "institution:11", "forwarding:11", "terminal:8", "merchant:15", "reference:12", "act:6", "account:19",
			"code:6", "bank_reference:12", "balance:20", "text:40",
		},
		Signing: []string{
			"date_time:10", "time:6", "date:4", "trace:6", "institution:11", "forwarding:11", "terminal:8", "merchant:15", "reference:12", "act:6", "account:19",
			"holder:28", "identity:80", "code:6", "bank_reference:12", "agreement:1", "text:40",
		},
		Key: []string{"date_time:10", "trace:6", "forwarding:11", "receiving:11", "function:3", "new_key:32", "check_value:8", "code:6", "text:40"},
	}
}

// recordPart is a part at its place.
type recordPart struct {
	part
	at int
}

// recordShape is the layout of one kind of message.
type recordShape struct {
	parts []recordPart
	size  int // without MAC
}

func (s *recordShape) find(wanted source) *recordPart {
	at := slices.IndexFunc(s.parts, func(p recordPart) bool { return p.source == wanted })
	if at < 0 {
		return nil
	}
	return &s.parts[at]
}

// recordTable is a layout, read.
type recordTable struct {
	codes  map[string]string // by message type
	mtis   map[string]string // of what comes in, by code
	shapes map[string]*recordShape
	hexMAC bool
	gbk    bool
}

// validate reports what is wrong with the keys of a layout.
func (l *RecordLayout) validate(f *keyFaults) { l.table(f) }

func (l *RecordLayout) table(f *keyFaults) *recordTable {
	t := &recordTable{codes: map[string]string{}, mtis: map[string]string{}, hexMAC: l.MAC == recordMACHex, gbk: l.Text == recordTextGBK}
	if l.MAC != recordMACHex && l.MAC != recordMACBytes {
		f.wrong("dialect.record.mac", "须为 hex16 或 binary8 / must be hex16 or binary8, is %q", l.MAC)
	}
	if l.Text != recordTextASCII && l.Text != recordTextGBK {
		f.wrong("dialect.record.text", "须为 ascii 或 gbk / must be ascii or gbk, is %q", l.Text)
	}
	l.readCodes(f, t)
	load, reversal := recordShapeOf(f, "load", l.Load), recordShapeOf(f, "reversal", l.Reversal)
	network, query := recordShapeOf(f, "network", l.Network), recordShapeOf(f, "query", l.Query)
	query.needs(f, "query", sourceAmount, sourceTrace, sourceReference, sourceTerminal, sourceCode, sourceFate)
	for name, shape := range map[string]*recordShape{"load": load, "reversal": reversal} {
		shape.needs(f, name, sourceAmount, sourceTrace, sourceReference, sourceTerminal, sourceCode)
	}
	network.needs(f, "network", sourceTrace, sourceFunction, sourceCode)
	signing := recordShapeOf(f, signingTable, l.Signing)
	if len(signing.parts) > 0 {
		signing.needs(f, signingTable, append(signingNeeds[:], sourceCode)...)
		if !t.gbk && signing.find(sourceIdentity) != nil {
			f.wrong("dialect.record.signing", "identity 含姓名,text 须为 gbk / identity has a name in it: text must be gbk")
		}
	}
	key := recordShapeOf(f, "key", l.Key)
	if len(l.Key) > 0 {
		key.needs(f, "key", sourceTrace, sourceFunction, sourceCode, sourceNewKey, sourceCheckValue)
	}
	if t.codes[mtiKey] == "" != (t.codes[mtiKeyAnswer] == "") || t.codes[mtiKey] != "" && len(l.Key) == 0 {
		f.wrong("dialect.record.key", "codes 中的 key 与 key_answer 须同时给出,并有此布局 / key and key_answer in codes go together, and need this layout")
	}
	withdrawal := recordShapeOf(f, "withdrawal", l.Withdrawal)
	if len(withdrawal.parts) > 0 {
		withdrawal.needs(f, "withdrawal", sourceAmount, sourceTrace, sourceReference, sourceTerminal, sourceAccount, sourceCode)
	}
	balance := recordShapeOf(f, balanceTable, l.Balance)
	if len(balance.parts) > 0 {
		balance.needs(f, balanceTable, append(balanceNeeds[:], sourceCode, sourceBalance)...)
	}
	t.shapes = map[string]*recordShape{
		mtiWithdrawal: withdrawal, mtiWithdrawalRepeat: withdrawal, mtiWithdrawalAnswer: withdrawal,
		mtiSigning: signing, mtiSigningAnswer: signing, mtiBalance: balance, mtiBalanceAnswer: balance,
		mtiLoad: load, mtiLoadAnswer: load, mtiReversal: reversal, mtiRepeat: reversal, mtiReversalAnswer: reversal, mtiQuery: query, mtiQueryAnswer: query, mtiNetwork: network, mtiNetworkAnswer: network,
		mtiKey: key, mtiKeyAnswer: key,
	}
	return t
}

func (l *RecordLayout) readCodes(f *keyFaults, t *recordTable) {
	for _, line := range l.Codes {
		name, code, _ := strings.Cut(line, "=")
		at := slices.IndexFunc(recordCodes, func(c recordCode) bool { return c.name == name })
		if at < 0 || len(code) != recordCodeSize || !isBankCode(code) {
			f.wrong("dialect.record.codes", "须如 load=2001,四位 / must be like load=2001, four characters, is %q", line)
			continue
		}
		kind := recordCodes[at]
		if t.codes[kind.mti] != "" || kind.inbound && t.mtis[code] != "" {
			f.wrong("dialect.record.codes", "%s 重复或与另一来报同码 / %[1]s is there twice, or has the code of another message that comes in", line)
			continue
		}
		if t.codes[kind.mti] = code; kind.inbound {
			t.mtis[code] = kind.mti
		}
	}
	for _, kind := range recordCodes {
		agreement := kind.mti == mtiSigning || kind.mti == mtiSigningAnswer
		optional := slices.Contains([]string{mtiWithdrawal, mtiWithdrawalRepeat, mtiWithdrawalAnswer, mtiBalance, mtiBalanceAnswer}, kind.mti)
		if agreement && len(l.Signing) == 0 || optional {
			continue // the bank has no such record, or may have none: see has
		}
		if t.codes[kind.mti] == "" && !kind.optional() {
			f.wrong("dialect.record.codes", "缺少 %s / %[1]s is missing", kind.name)
		}
	}
}

// has sees that a bank with a feature has the records for it.
func (l *RecordLayout) has(f *keyFaults, message string, layout []string, codes ...string) {
	if len(layout) == 0 {
		f.wrong("dialect.record."+message, "银行有此功能时须给出 / must be given where the bank has the feature")
	}
	for _, name := range codes {
		if !slices.ContainsFunc(l.Codes, func(line string) bool { return strings.HasPrefix(line, name) }) {
			f.wrong("dialect.record.codes", "缺少 %s / %[1]s is missing", name[:len(name)-1])
		}
	}
}

func recordShapeOf(f *keyFaults, message string, lines []string) *recordShape {
	shape, key := &recordShape{size: recordCodeSize}, "dialect.record."+message
	for _, line := range lines {
		text, size, _ := strings.Cut(line, ":")
		p, err := parseSource(text)
		width, notNumber := strconv.Atoi(size)
		if err != nil || notNumber != nil || width < 1 {
			f.wrong(key, "须如 amount:12 / must be like amount:12, is %q; sources are %s", line, sourceNames())
			continue
		}
		about := sources[p.source]
		p.number = p.number && !ownReference(message, p.source)
		switch {
		case !p.source.isOf(message):
			f.wrong(key, "%s 不在此报文 / %[1]s is not of this message", about.name)
		case p.source == sourceLiteral && len(p.literal) > width, p.source != sourceLiteral && !about.fits(p.source, width):
			f.wrong(key, "%s 的宽度不合 / the width of %[1]s does not fit", line)
		case p.source != sourceLiteral && shape.find(p.source) != nil:
			f.wrong(key, "%s 出现两次 / %[1]s is there twice", about.name)
		}
		// What is always as long, and an amount, is a number in its place; an account begins at the left.
		p.width, p.number = width, p.number && (about.fixed || p.source == sourceAmount || p.source == sourceLiteral)
		shape.parts = append(shape.parts, recordPart{p, shape.size})
		shape.size += width
	}
	if shape.size > recordSizeMax {
		f.wrong(key, "记录长 %d 字节,最多 %d / a record of %[1]d bytes, at most %[2]d", shape.size, recordSizeMax)
	}
	return shape
}

// fits says whether a source fits a width. What the bank fills in may be as wide as it likes, within reason.
func (s sourceInfo) fits(which source, width int) bool {
	switch {
	case which == sourceCode, which == sourceFate:
		return width >= 2 && width <= s.width
	case s.fixed:
		return width == s.width && which != sourceCheckedKey
	case which > sourceCode:
		return width <= recordSizeMax/8
	}
	return width >= s.width
}

func (s *recordShape) needs(f *keyFaults, message string, wanted ...source) {
	for _, w := range wanted {
		if s.find(w) == nil {
			f.wrong("dialect.record."+message, "缺少 %s / %[1]s is missing", sources[w].name)
		}
	}
}

// recordCodec writes records by a layout.
type recordCodec struct {
	config  *Config
	rules   *codeRules
	table   *recordTable
	ring    *keyRing
	mac     *iso8583.MAC
	scratch []byte
}

func newRecordCodec(c *Config, rules *codeRules, ring *keyRing) (*recordCodec, error) {
	var f keyFaults
	w := &recordCodec{config: c, rules: rules, table: c.Dialect.Record.table(&f), ring: ring}
	if err := w.use(ring.inUse.Load().MAC); err != nil {
		return nil, err
	}
	return w, f.join()
}

func (w *recordCodec) use(key iso8583.Secret) (err error) {
	w.mac, err = iso8583.NewMAC(w.ring.mode, key)
	return err
}

// Records have no totals: Dialect.validate refuses the feature.
func (w *recordCodec) totals(*Totals, uint32, time.Time) ([]byte, error) {
	return nil, notAMessage("records have no totals")
}

func (w *recordCodec) totalsAnswer(*answer, *Totals, int, string) ([]byte, error) {
	return nil, notAMessage("records have no totals")
}

func (w *recordCodec) changesKeys() bool { return w.table.codes[mtiKey] != "" }

func (w *recordCodec) load(o *transaction.LoadOrder) ([]byte, error) {
	about := w.config.ofOrder(o)
	return w.build(mtiLoad, &about), nil
}

func (w *recordCodec) reversal(mti, cause string, o *transaction.LoadOrder, now time.Time) ([]byte, error) {
	about := w.config.ofOrder(o)
	about.cause, about.sent = cause, w.config.local(now.UnixMicro())
	return w.build(mti, &about), nil
}

func (w *recordCodec) withdrawal(mti string, o *transaction.LoadOrder) ([]byte, error) {
	if mti == mtiLoad {
		mti = mtiWithdrawal
	}
	if len(w.table.shapes[mti].parts) == 0 {
		return nil, errNoWithdrawals
	}
	about := w.config.ofOrder(o)
	return w.build(mti, &about), nil
}

func (w *recordCodec) query(o *transaction.LoadOrder) ([]byte, error) {
	about := w.config.ofOrder(o)
	return w.build(mtiQuery, &about), nil
}

func (w *recordCodec) signing(s *Signing, trace uint32, moment int64) ([]byte, error) {
	mti, none := mtiSigning, ErrNoAgreements
	if s.Act == SigningBalance {
		mti, none = mtiBalance, ErrNoBalance
	}
	if len(w.table.shapes[mti].parts) == 0 {
		return nil, none
	}
	about, err := w.config.ofSigning(s, trace, moment)
	if err != nil {
		return nil, err
	}
	return w.build(mti, &about), nil
}

func (w *recordCodec) network(function int, trace uint32, now time.Time) ([]byte, error) {
	about := content{config: w.config, moment: w.config.local(now.UnixMicro()), trace: trace, function: function}
	return w.build(mtiNetwork, &about), nil
}

// networkAnswer gives the bank's record back with our code, and without its key.
func (w *recordCodec) networkAnswer(request *answer, code string) ([]byte, error) {
	w.scratch = append(w.scratch[:0], request.message.([]byte)...)
	copy(w.scratch, w.table.codes[answersOf[request.mti]])
	shape := w.table.shapes[request.mti]
	for s, value := range map[source]string{sourceCode: code, sourceNewKey: "", sourceCheckValue: ""} {
		if p := shape.find(s); p != nil {
			place := w.scratch[p.at : p.at+p.width]
			copy(place, bytes.Repeat([]byte{' '}, p.width))
			copy(place, value)
		}
	}
	return w.seal(), nil
}

func (w *recordCodec) build(mti string, about *content) []byte {
	w.scratch = append(w.scratch[:0], w.table.codes[mti]...)
	shape := w.table.shapes[mti]
	for i := range shape.parts {
		w.scratch = about.append(w.scratch, &shape.parts[i].part)
	}
	return w.seal()
}

func (w *recordCodec) seal() []byte {
	sum := w.mac.Sum(nil, w.scratch)
	if w.table.hexMAC {
		w.scratch = append(w.scratch, strings.ToUpper(hex.EncodeToString(sum[:]))...)
	} else {
		w.scratch = append(w.scratch, sum[:]...)
	}
	return w.scratch
}
