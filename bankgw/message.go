package bankgw

import (
	"strconv"
	"strings"
	"time"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// Message types of the bank link. A dialect with other names for them has them by these inside the gateway.
const (
	mtiLoad           = "0200"
	mtiLoadAnswer     = "0210"
	mtiReversal       = "0420"
	mtiRepeat         = "0421"
	mtiReversalAnswer = "0430"
	mtiQuery          = "0600"
	mtiQueryAnswer    = "0610"
	mtiSigning        = "0100"
	mtiSigningAnswer  = "0110"
	mtiNetwork        = "0820"
	mtiNetworkAnswer  = "0830"
	mtiTotals         = "0520"
	mtiTotalsAnswer   = "0530"
	mtiKey            = "0800"
	mtiKeyAnswer      = "0810"
	mtiOther          = "other" // nobody has asked for it
)

// A withdrawal is asked for and answered as a load is, in messages that a record tells apart.
const (
	mtiWithdrawal       = "0200 withdrawal"
	mtiWithdrawalRepeat = "0201"
	mtiWithdrawalAnswer = "0210 withdrawal"
)

// Network functions, DE 70.
const (
	functionSignOn       = 1
	functionSignOff      = 2
	functionKey          = 101
	functionCutOverBegin = 201
	functionCutOverEnd   = 202
	functionEcho         = 301
)

// Causes of a reversal, DE 60.1 (wire handbook 3.9).
const (
	causeNoAnswer = "4021"
	causeTerminal = "4007"
)

// answersOf are the message types that answer what the bank asks.
var answersOf = map[string]string{mtiNetwork: mtiNetworkAnswer, mtiKey: mtiKeyAnswer, mtiTotals: mtiTotalsAnswer}

const traceSpace = 999_999 // DE 11 counts 1..999,999

// traceOf is DE 11 of everything about a load. It comes from the load's own number, so that it is the same after a restart.
func traceOf(load uint64) uint32 { return uint32(load%traceSpace) + 1 }

// answer is an authentic message of the bank, taken apart.
type answer struct {
	mti       string
	code      transaction.ResponseCode // as the ledger keeps it
	told      transaction.ResponseCode // as a terminal is told
	uncertain bool                     // the code does not say that nothing was taken
	notFound  bool                     // the code says that there is nothing to take back
	notNow    bool                     // the code says that the bank could not look
	trace     uint32
	date      monthDay // when we sent the request, as the bank gives it back; 0: it does not
	sent      string   // of a reversal's answer: when the repeat that it answers was sent, MMDDhhmmss; "": it does not say
	load      uint64   // from our reference; 0: none
	terminal  transaction.TerminalCode
	amount    money.Fen
	hasAmount bool
	fate      *answer        // of a query: code, told and uncertain of what the load was answered; nil: it does not say
	function  uint64         // network messages
	bank      [12]byte       // the bank's own reference: its authorization code, else DE 37
	key       iso8583.Secret // that a key change brings; its MAC is of it
	bankDate  string         // MMDD of the bank's settlement date, "" when it does not say
	complete  bool           // trace, and for financial answers code, reference and terminal are there
	agreement *agreed        // of an agreement or a balance: what it is about; nil: another message
	totals    *totalsHeard   // of an 0520 or 0530

	message any // the bank's own requests, to be echoed: the codec's own
}

// monthDay is MMDD as a number.
type monthDay uint16

func monthDayOf(t time.Time) monthDay { return monthDay(100*int(t.Month()) + t.Day()) }

// readMonthDay reads MMDD at the front of a text; 0 when it is not there.
func readMonthDay(text string) monthDay {
	if len(text) < 4 || !onlyDigits(text[:4]) {
		return 0
	}
	n, _ := strconv.Atoi(text[:4])
	return monthDay(n)
}

// finish fills in what follows from what was read.
func (a *answer) finish(coded bool, bank, reference string) {
	if a.mti == mtiNetworkAnswer || a.mti == mtiTotalsAnswer || a.agreement != nil {
		a.complete = a.complete && coded
	}
	if !financial(a.mti) && a.agreement == nil {
		return
	}
	if copy(a.bank[:], "            "); copy(a.bank[:], bank) == 0 {
		copy(a.bank[:], reference)
	}
	if financial(a.mti) && a.agreement == nil {
		a.complete = a.complete && coded && a.load != 0 && a.terminal != transaction.TerminalCode{}
	}
}

// financial says whether an answer is about a load.
func financial(mti string) bool {
	return mti == mtiLoadAnswer || mti == mtiReversalAnswer || mti == mtiQueryAnswer
}

// readLoad reads our reference; 0 when it is none.
func readLoad(text string) uint64 {
	if len(text) == 0 || !onlyDigits(text) {
		return 0
	}
	load, _ := strconv.ParseUint(text, 10, 64)
	return load
}

// readAmount reads an amount in fen, if it is one.
func (a *answer) readAmount(text string) {
	if len(text) == 0 || !onlyDigits(text) {
		return
	}
	if fen, err := strconv.ParseUint(text, 10, 64); err == nil && fen <= uint64(money.Max) {
		a.amount, a.hasAmount = money.Fen(fen), true
	}
}

// fieldCodec writes ISO 8583 messages by the tables of a dialect. Everything about a load comes from its order, nothing from the moment: a
// repeat is the same message.
type fieldCodec struct {
	config  *Config
	rules   *codeRules
	profile *iso8583.BankProfile
	ring    *keyRing
	mac     *iso8583.MAC
	places  fieldPlaces

	loadParts, reversalParts, queryParts, networkParts, signingParts, totalsParts []part
	loads, reversals, queries, networks, answers, signings, totaling              *iso8583.BankMessage // written again and again
	withdrawalParts, balanceParts                                                 []part
	scratch                                                                       []byte
}

// fieldPlaces are where answers have what the core looks at: 0: nowhere.
type fieldPlaces struct {
	amount, trace, reference, terminal, dateTime, networkTrace, function int
	newKey, checkValue                                                   int // checkValue 0: behind the key
	totalsDate, totalsTrace                                              int
	sent                                                                 int    // of a reversal
	figures                                                              [6]int // see figureSources
	signing, balance                                                     signingPlaces
}

// signingPlaces are where answers about agreements have what they are about.
type signingPlaces struct{ trace, reference, terminal, act, account int }

const (
	fieldAuthorization = 38
	fieldCode          = 39
	fieldSettlement    = 66
	fieldFileName      = 101
	fieldFate          = 44 // of a query's answer: what the load was answered
	fieldAgreement     = 44 // of an agreement's answer: whether the bank has one
	fieldBalance       = 54 // of a balance enquiry's answer
)

func newFieldCodec(c *Config, rules *codeRules, ring *keyRing) (*fieldCodec, error) {
	w := &fieldCodec{config: c, rules: rules, ring: ring}
	if err := w.use(ring.inUse.Load().MAC); err != nil {
		return nil, err
	}
	var f keyFaults
	w.profile = c.Dialect.profile(&f)
	for _, m := range []struct {
		mti  string
		into **iso8583.BankMessage
	}{{mtiLoad, &w.loads}, {mtiReversal, &w.reversals}, {mtiQuery, &w.queries}, {mtiNetwork, &w.networks}, {mtiNetworkAnswer, &w.answers}, {mtiTotals, &w.totaling}, {mtiSigning, &w.signings}} {
		*m.into = iso8583.NewBankMessage(w.profile, m.mti)
	}
	w.loadParts = fieldParts(&f, "load", c.Dialect.Load, w.profile)
	w.reversalParts = fieldParts(&f, "reversal", c.Dialect.Reversal, w.profile)
	w.queryParts = fieldParts(&f, "query", c.Dialect.Query, w.profile)
	w.networkParts = fieldParts(&f, "network", c.Dialect.Network, w.profile)
	if c.Dialect.TakesWithdrawals() {
		w.withdrawalParts = fieldParts(&f, "withdrawal", c.Dialect.Withdrawal, w.profile)
	}
	if c.Dialect.Has(FeatureBalance) {
		w.balanceParts = fieldParts(&f, balanceTable, c.Dialect.Balance, w.profile)
	}
	w.signingParts = fieldParts(&f, "signing", c.Dialect.Signing, w.profile)
	w.places = fieldPlaces{
		amount: fieldOf(w.loadParts, sourceAmount), trace: fieldOf(w.loadParts, sourceTrace), reference: fieldOf(w.loadParts, sourceReference),
		terminal: fieldOf(w.loadParts, sourceTerminal), dateTime: fieldOf(w.loadParts, sourceDateTime),
		networkTrace: fieldOf(w.networkParts, sourceTrace), function: fieldOf(w.networkParts, sourceFunction),
		signing: signingPlacesOf(w.signingParts), balance: signingPlacesOf(w.balanceParts),
	}
	if c.Dialect.Has(FeatureTotals) {
		w.totalsParts = fieldParts(&f, "totals", c.Dialect.Totals, w.profile)
	}
	w.places.sent = fieldOf(w.reversalParts, sourceSent)
	w.places.totalsDate, w.places.totalsTrace = fieldOf(w.totalsParts, sourceSettlementDate), fieldOf(w.totalsParts, sourceTrace)
	for i, s := range figureSources {
		w.places.figures[i] = fieldOf(w.totalsParts, s)
	}
	if ring.zmk == nil {
		return w, f.join()
	}
	keyParts := keyFields(&f, c.Dialect.Keys, w.profile)
	w.places.newKey, w.places.checkValue = fieldOf(keyParts, sourceNewKey), fieldOf(keyParts, sourceCheckValue)
	if w.places.newKey == 0 {
		w.places.newKey = fieldOf(keyParts, sourceCheckedKey)
	}
	return w, f.join()
}

func signingPlacesOf(parts []part) signingPlaces {
	return signingPlaces{
		trace: fieldOf(parts, sourceTrace), reference: fieldOf(parts, sourceReference), terminal: fieldOf(parts, sourceTerminal),
		act: fieldOf(parts, sourceAct), account: fieldOf(parts, sourceAccount),
	}
}

func fieldOf(parts []part, s source) int {
	for i := range parts {
		if parts[i].source == s {
			return parts[i].field
		}
	}
	return 0
}

func (w *fieldCodec) load(o *transaction.LoadOrder) ([]byte, error) {
	about := w.config.ofOrder(o)
	return w.build(w.loads.Restart(mtiLoad), w.loadParts, &about)
}

func (w *fieldCodec) reversal(mti, cause string, o *transaction.LoadOrder, now time.Time) ([]byte, error) {
	about := w.config.ofOrder(o)
	about.cause, about.sent = cause, w.config.local(now.UnixMicro())
	return w.build(w.reversals.Restart(mti), w.reversalParts, &about)
}

func (w *fieldCodec) withdrawal(mti string, o *transaction.LoadOrder) ([]byte, error) {
	if len(w.withdrawalParts) == 0 {
		return nil, errNoWithdrawals
	}
	about := w.config.ofOrder(o)
	return w.build(w.loads.Restart(mti), w.withdrawalParts, &about)
}

func (w *fieldCodec) query(o *transaction.LoadOrder) ([]byte, error) {
	about := w.config.ofOrder(o)
	return w.build(w.queries.Restart(mtiQuery), w.queryParts, &about)
}

func (w *fieldCodec) signing(s *Signing, trace uint32, moment int64) ([]byte, error) {
	mti, parts, none := mtiSigning, w.signingParts, ErrNoAgreements
	if s.Act == SigningBalance {
		mti, parts, none = mtiLoad, w.balanceParts, ErrNoBalance
	}
	if len(parts) == 0 {
		return nil, none
	}
	about, err := w.config.ofSigning(s, trace, moment)
	if err != nil {
		return nil, err
	}
	return w.build(w.signings.Restart(mti), parts, &about)
}

func (w *fieldCodec) network(function int, trace uint32, now time.Time) ([]byte, error) {
	about := content{config: w.config, moment: w.config.local(now.UnixMicro()), trace: trace, function: function}
	return w.build(w.networks.Restart(mtiNetwork), w.networkParts, &about)
}

func (w *fieldCodec) use(key iso8583.Secret) (err error) {
	w.mac, err = iso8583.NewMAC(w.ring.mode, key)
	return err
}

func (w *fieldCodec) changesKeys() bool { return len(w.config.Dialect.Keys) > 0 }

// networkAnswer echoes what the bank's message has of the fields that ours have.
func (w *fieldCodec) networkAnswer(request *answer, code string) ([]byte, error) {
	m, asked := w.answers.Restart(answersOf[request.mti]), request.message.(*iso8583.BankMessage)
	for i := range w.networkParts {
		m.Set(w.networkParts[i].field, asked.String(w.networkParts[i].field))
	}
	return m.Set(fieldCode, code).Seal(w.mac)
}

func (w *fieldCodec) totals(t *Totals, trace uint32, now time.Time) ([]byte, error) {
	about := content{config: w.config, moment: w.config.local(now.UnixMicro()), trace: trace, totals: t}
	return w.build(w.totaling.Restart(mtiTotals), w.totalsParts, &about)
}

// totalsAnswer gives the bank's own identity of its message back, with our figures.
func (w *fieldCodec) totalsAnswer(request *answer, ours *Totals, verdict int, code string) ([]byte, error) {
	m, asked := w.totaling.Restart(mtiTotalsAnswer), request.message.(*iso8583.BankMessage)
	about := content{config: w.config, totals: ours}
	for i := range w.totalsParts {
		p := &w.totalsParts[i]
		if p.source == sourceTrace || p.source == sourceDateTime || p.source == sourceSettlementDate {
			m.Set(p.field, asked.String(p.field))
		} else if ours.Day != 0 || p.source < sourceDebits || p.source > sourceNet {
			w.scratch = about.append(w.scratch[:0], p)
			m.Set(p.field, string(w.scratch))
		}
	}
	return m.SetNumber(fieldSettlement, uint64(verdict)).Set(fieldCode, code).Seal(w.mac)
}

// figureSources are the figures that are compared, in their order.
var figureSources = [6]source{sourceDebits, sourceDebitAmount, sourceReversed, sourceReversedAmount, sourceCredits, sourceCreditAmount}

// figuresNeeded are there always: who pays no withdrawals may leave credits out.
const figuresNeeded = 4

func (w *fieldCodec) build(m *iso8583.BankMessage, parts []part, about *content) ([]byte, error) {
	for i := range parts {
		w.scratch = about.append(w.scratch[:0], &parts[i])
		m.Set(parts[i].field, string(w.scratch))
	}
	return m.Seal(w.mac)
}

func (w *fieldCodec) reader() (reader, error) {
	return &fieldReader{profile: w.profile, keys: checker{ring: w.ring}, places: w.places, rules: w.rules}, nil
}

// fieldReader takes ISO 8583 messages apart.
type fieldReader struct {
	profile *iso8583.BankProfile
	keys    checker
	places  fieldPlaces
	rules   *codeRules
}

func (r *fieldReader) read(payload []byte) (answer, error) {
	if r.places.newKey != 0 && r.keys.ring.zmk != nil && string(payload[:min(len(payload), len(mtiKey))]) == mtiKey {
		if a, err := r.readKey(payload); a.function == functionKey {
			return a, err
		}
	}
	m, err := iso8583.OpenBankMessage(r.profile, payload, r.keys.now())
	if former := r.keys.former(err); former != nil {
		m, err = iso8583.OpenBankMessage(r.profile, payload, former)
	}
	if err != nil {
		return answer{}, err
	}
	return r.take(m), nil
}

// readKey reads a key change, whose MAC is of the key that it brings.
func (r *fieldReader) readKey(payload []byte) (a answer, err error) {
	var key iso8583.Secret
	m, err := iso8583.OpenBankMessageUnder(r.profile, payload, func(m *iso8583.BankMessage) (mac *iso8583.MAC, err error) {
		var apart []byte
		if r.places.checkValue != 0 {
			apart = []byte(m.String(r.places.checkValue))
		}
		wrapped, value, err := cutNewKey([]byte(m.String(r.places.newKey)), apart)
		if err == nil {
			key, mac, err = r.keys.unwrap(wrapped, value)
		}
		return mac, err
	})
	if m != nil {
		a = r.take(m)
	}
	if err == nil {
		a.key = key
	}
	return a, err
}

func (r *fieldReader) take(m *iso8583.BankMessage) answer {
	a := answer{mti: m.MTI()}
	place, reference := r.places.trace, r.places.reference
	switch a.mti {
	case mtiNetwork, mtiNetworkAnswer, mtiKey:
		place = r.places.networkTrace
		a.function, _ = m.Number(r.places.function)
	case mtiSigningAnswer:
		a.takeAgreement(m, &r.places.signing)
		place, reference, a.agreement.signed = r.places.signing.trace, r.places.signing.reference, m.String(fieldAgreement)
	case mtiLoadAnswer:
		if at := &r.places.balance; at.act != 0 && m.String(at.act) == string(SigningBalance) {
			a.takeAgreement(m, at)
			place, reference, a.agreement.balance = at.trace, at.reference, m.String(fieldBalance)
		}
	}
	if r.places.totalsTrace != 0 && (a.mti == mtiTotals || a.mti == mtiTotalsAnswer) {
		place, a.totals = r.places.totalsTrace, r.totals(m)
	}
	trace, ok := m.Number(place)
	a.trace, a.complete = uint32(trace), ok
	coded := r.rules.weigh(&a, m.String(fieldCode))
	if a.mti == mtiNetwork || a.mti == mtiKey || a.mti == mtiTotals {
		a.message = m
	}
	if a.mti == mtiQueryAnswer {
		a.fate = r.rules.fateOf(strings.TrimRight(m.String(fieldFate), " "))
	}
	if financial(a.mti) && a.agreement == nil {
		a.bankDate = m.String(fieldBankDay)
		a.load = readLoad(strings.TrimRight(m.String(r.places.reference), " "))
		a.date = readMonthDay(m.String(r.places.dateTime))
		if a.mti == mtiReversalAnswer && r.places.sent != 0 {
			a.sent, a.date = m.String(r.places.sent), 0
		}
		copy(a.terminal[:], m.String(r.places.terminal))
		a.readAmount(m.String(r.places.amount))
	}
	a.finish(coded, m.String(fieldAuthorization), m.String(reference))
	return a
}

// totals reads the figures of an 0520 or 0530.
func (r *fieldReader) totals(m *iso8583.BankMessage) *totalsHeard {
	h := &totalsHeard{date: m.String(r.places.totalsDate), file: strings.TrimRight(m.String(fieldFileName), " "), whole: true}
	code, _ := m.Number(fieldSettlement)
	h.code = int(code)
	for i, field := range r.places.figures {
		var there bool
		if h.figures[i], there = m.Number(field); !there && i < figuresNeeded {
			h.whole = false
		}
	}
	return h
}

// takeAgreement reads what an answer about an agreement, or about a balance, is about.
func (a *answer) takeAgreement(m *iso8583.BankMessage, at *signingPlaces) {
	a.agreement = &agreed{act: m.String(at.act), account: strings.TrimRight(m.String(at.account), " ")}
	copy(a.terminal[:], m.String(at.terminal))
}
