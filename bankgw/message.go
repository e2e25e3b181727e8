package bankgw

import (
	"fmt"
	"strconv"
	"time"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// Message types of the bank link.
const (
	mtiLoad           = "0200"
	mtiLoadAnswer     = "0210"
	mtiReversal       = "0420"
	mtiRepeat         = "0421"
	mtiReversalAnswer = "0430"
	mtiQuery          = "0600"
	mtiQueryAnswer    = "0610"
	mtiNetwork        = "0820"
	mtiNetworkAnswer  = "0830"
)

// Network functions, DE 70.
const (
	functionSignOn       = 1
	functionSignOff      = 2
	functionCutOverBegin = 201
	functionCutOverEnd   = 202
	functionEcho         = 301
)

// Codes of loads, DE 3, 22, 25, 49, and the causes of a reversal, DE 60.1 (wire handbook 3.5, 3.9).
const (
	processingLoad   = "600000"
	entryManual      = "012"
	conditionLoad    = "91"
	currencyYuan     = "156"
	causeNoAnswer    = "4021"
	causeTerminal    = "4007"
	originalNotFound = "25"
)

const traceSpace = 999_999 // DE 11 counts 1..999,999

// traceOf is DE 11 of everything about a load. It comes from the load's own number, so that it is the same after a restart.
func traceOf(load uint64) uint32 { return uint32(load%traceSpace) + 1 }

// writer builds messages. Everything about a load comes from its order, nothing from the moment: a repeat is the same message.
type writer struct {
	config *Config
	begin  func(mti string) *iso8583.BankMessage
	mac    *iso8583.MAC // owner: Run
}

// load is the 0200.
func (w *writer) load(o *transaction.LoadOrder) ([]byte, error) {
	return w.frame(w.financial(mtiLoad, o))
}

// reversal is the 0420, or the 0421 when it may have been sent before. F90 names the original.
func (w *writer) reversal(mti, cause string, o *transaction.LoadOrder) ([]byte, error) {
	return w.frame(w.financial(mti, o).Set(60, cause).Set(90, w.original(o)))
}

// original names a load in F90: MTI, trace, F7, F32 and F33.
func (w *writer) original(o *transaction.LoadOrder) string {
	return fmt.Sprintf("%s%06d%s%011s%011s", mtiLoad, traceOf(o.Load), w.local(o.Time).Format("0102150405"), w.config.Institution, w.config.Forwarding)
}

func (w *writer) financial(mti string, o *transaction.LoadOrder) *iso8583.BankMessage {
	decided := w.local(o.Time)
	account := strconv.FormatUint(o.BankAccount, 10)
	return w.begin(mti).
		Set(2, account).Set(3, processingLoad).SetNumber(4, uint64(o.Amount)).Set(7, decided.Format("0102150405")).
		SetNumber(11, uint64(traceOf(o.Load))).Set(12, decided.Format("150405")).Set(13, decided.Format("0102")).
		Set(18, w.config.MerchantType).Set(22, entryManual).Set(25, conditionLoad).
		Set(32, w.config.Institution).Set(33, w.config.Forwarding).Set(37, transaction.ReferenceOf(o.Load).String()).
		Set(41, o.TerminalCode.String()).Set(42, o.MerchantCode.String()).Set(49, currencyYuan).
		Set(102, account).Set(103, strconv.FormatUint(uint64(o.Card), 10))
}

// network is the 0820.
func (w *writer) network(function int, trace uint32, now time.Time) ([]byte, error) {
	m := w.begin(mtiNetwork).Set(7, w.local(now.UnixMicro()).Format("0102150405")).SetNumber(11, uint64(trace)).
		Set(33, w.config.Forwarding).SetNumber(70, uint64(function)).Set(100, w.config.Receiving)
	return w.frame(m)
}

// networkAnswer echoes the bank's own 0820.
func (w *writer) networkAnswer(request *iso8583.BankMessage, code string) ([]byte, error) {
	m := w.begin(mtiNetworkAnswer)
	for _, n := range []int{7, 11, 33, 70, 100} {
		m.Set(n, request.String(n))
	}
	return w.frame(m.Set(39, code))
}

func (w *writer) local(micros int64) time.Time {
	return time.UnixMicro(micros).UTC().Add(w.config.Zone)
}

func (w *writer) frame(m *iso8583.BankMessage) ([]byte, error) {
	payload, err := m.Seal(w.mac)
	if err != nil {
		return nil, err
	}
	return iso8583.AppendBankFrame(nil, w.config.Framing, payload), nil
}

// answer is an authentic message of the bank, taken apart.
type answer struct {
	mti       string
	code      transaction.ResponseCode
	trace     uint32
	load      uint64 // from our reference; 0: none
	terminal  transaction.TerminalCode
	amount    money.Fen
	hasAmount bool
	fate      transaction.ResponseCode // of a query: what the load was answered, DE 44
	function  uint64                   // network messages
	bank      [12]byte                 // the bank's own reference: its authorization code, else DE 37
	complete  bool                     // trace, and for financial answers code, reference and terminal are there

	message *iso8583.BankMessage // the bank's own requests, to be echoed
}

func readAnswer(m *iso8583.BankMessage) answer {
	a := answer{mti: m.MTI(), message: m}
	trace, ok := m.Number(11)
	a.trace, a.complete = uint32(trace), ok
	a.function, _ = m.Number(70)
	coded := len(m.String(39)) == len(a.code)
	copy(a.code[:], m.String(39))
	if a.mti == mtiNetworkAnswer {
		a.complete = a.complete && coded
	}
	if a.mti != mtiLoadAnswer && a.mti != mtiReversalAnswer && a.mti != mtiQueryAnswer {
		return a
	}
	copy(a.fate[:], m.String(44))
	a.load, _ = m.Number(37)
	copy(a.terminal[:], m.String(41))
	if amount, ok := m.Number(4); ok && amount <= uint64(money.Max) {
		a.amount, a.hasAmount = money.Fen(amount), true
	}
	if copy(a.bank[:], "            "); copy(a.bank[:], m.String(38)) == 0 {
		copy(a.bank[:], m.String(37))
	}
	a.complete = a.complete && coded && a.load != 0 && m.Has(41)
	return a
}

// uncertainCodes do not say that nothing was taken: an approval of another kind (10 a part, 11 VIP, 16 and A2 to A6 with a defect), a bank
// that has no answer itself (68, 98), a duplicate of something we sent once (94). The load is taken back.
var uncertainCodes = map[string]bool{
	"10": true, "11": true, "16": true, "A2": true, "A4": true, "A5": true, "A6": true, "68": true, "94": true, "98": true,
}

// linkCodes are about the link between the bank and us. A terminal that read them would take them for its own and sign on again, so it is
// told that the bank cannot operate.
var linkCodes = map[string]bool{"97": true, "99": true, "A0": true, "C1": true}

func terminalCode(bank transaction.ResponseCode) transaction.ResponseCode {
	if linkCodes[bank.String()] {
		return transaction.BankCannotOperate
	}
	return bank
}
