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
	functionCutOverBegin = 201
	functionCutOverEnd   = 202
	functionEcho         = 301
)

// Causes of a reversal, DE 60.1 (wire handbook 3.9).
const (
	causeNoAnswer = "4021"
	causeTerminal = "4007"
)

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
	load      uint64   // from our reference; 0: none
	terminal  transaction.TerminalCode
	amount    money.Fen
	hasAmount bool
	fate      *answer  // of a query: code, told and uncertain of what the load was answered; nil: it does not say
	function  uint64   // network messages
	bank      [12]byte // the bank's own reference: its authorization code, else DE 37
	complete  bool     // trace, and for financial answers code, reference and terminal are there
	agreement *agreed  // of an agreement or a balance: what it is about; nil: another message

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
	if a.mti == mtiNetworkAnswer || a.agreement != nil {
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
	mode    iso8583.MACMode
	key     iso8583.Secret
	mac     *iso8583.MAC
	places  fieldPlaces

	loadParts, reversalParts, queryParts, networkParts, signingParts []part
	withdrawalParts, balanceParts                                    []part
	loads, reversals, queries, networks, answers, signings           *iso8583.BankMessage // written again and again
	scratch                                                          []byte
}

// fieldPlaces are where answers have what the core looks at: 0: nowhere.
type fieldPlaces struct {
	amount, trace, reference, terminal, dateTime, networkTrace, function int
	signing, balance                                                     signingPlaces
}

// signingPlaces are where answers about agreements have what they are about.
type signingPlaces struct{ trace, reference, terminal, act, account int }

const (
	fieldAuthorization = 38
	fieldCode          = 39
	fieldFate          = 44 // of a query's answer: what the load was answered
	fieldAgreement     = 44 // of an agreement's answer: whether the bank has one
	fieldBalance       = 54 // of a balance enquiry's answer
)

func newFieldCodec(c *Config, rules *codeRules, mode iso8583.MACMode, key iso8583.Secret) (*fieldCodec, error) {
	mac, err := iso8583.NewMAC(mode, key)
	if err != nil {
		return nil, err
	}
	w := &fieldCodec{config: c, rules: rules, mode: mode, key: key, mac: mac}
	var f keyFaults
	w.profile = c.Dialect.profile(&f)
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
	for _, m := range []struct {
		mti  string
		into **iso8583.BankMessage
	}{{mtiLoad, &w.loads}, {mtiReversal, &w.reversals}, {mtiQuery, &w.queries}, {mtiNetwork, &w.networks}, {mtiNetworkAnswer, &w.answers}, {mtiSigning, &w.signings}} {
		*m.into = iso8583.NewBankMessage(w.profile, m.mti)
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

func (w *fieldCodec) reversal(mti, cause string, o *transaction.LoadOrder) ([]byte, error) {
	about := w.config.ofOrder(o)
	about.cause = cause
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

// networkAnswer echoes what the bank's message has of the fields that ours have.
func (w *fieldCodec) networkAnswer(request *answer, code string) ([]byte, error) {
	m, asked := w.answers.Restart(mtiNetworkAnswer), request.message.(*iso8583.BankMessage)
	for i := range w.networkParts {
		m.Set(w.networkParts[i].field, asked.String(w.networkParts[i].field))
	}
	return m.Set(fieldCode, code).Seal(w.mac)
}

func (w *fieldCodec) build(m *iso8583.BankMessage, parts []part, about *content) ([]byte, error) {
	for i := range parts {
		w.scratch = about.append(w.scratch[:0], &parts[i])
		m.Set(parts[i].field, string(w.scratch))
	}
	return m.Seal(w.mac)
}

func (w *fieldCodec) reader() (reader, error) {
	mac, err := iso8583.NewMAC(w.mode, w.key)
	return &fieldReader{profile: w.profile, mac: mac, places: w.places, rules: w.rules}, err
}

// fieldReader takes ISO 8583 messages apart.
type fieldReader struct {
	profile *iso8583.BankProfile
	mac     *iso8583.MAC
	places  fieldPlaces
	rules   *codeRules
}

func (r *fieldReader) read(payload []byte) (answer, error) {
	m, err := iso8583.OpenBankMessage(r.profile, payload, r.mac)
	if err != nil {
		return answer{}, err
	}
	return r.take(m), nil
}

func (r *fieldReader) take(m *iso8583.BankMessage) answer {
	a := answer{mti: m.MTI()}
	place, reference := r.places.trace, r.places.reference
	switch a.mti {
	case mtiNetwork, mtiNetworkAnswer:
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
	trace, ok := m.Number(place)
	a.trace, a.complete = uint32(trace), ok
	coded := r.rules.weigh(&a, m.String(fieldCode))
	if a.mti == mtiNetwork {
		a.message = m
	}
	if a.mti == mtiQueryAnswer {
		a.fate = r.rules.fateOf(strings.TrimRight(m.String(fieldFate), " "))
	}
	if financial(a.mti) && a.agreement == nil {
		a.load = readLoad(strings.TrimRight(m.String(r.places.reference), " "))
		a.date = readMonthDay(m.String(r.places.dateTime))
		copy(a.terminal[:], m.String(r.places.terminal))
		a.readAmount(m.String(r.places.amount))
	}
	a.finish(coded, m.String(fieldAuthorization), m.String(reference))
	return a
}

// takeAgreement reads what an answer about an agreement, or about a balance, is about.
func (a *answer) takeAgreement(m *iso8583.BankMessage, at *signingPlaces) {
	a.agreement = &agreed{act: m.String(at.act), account: strings.TrimRight(m.String(at.account), " ")}
	copy(a.terminal[:], m.String(at.terminal))
}
