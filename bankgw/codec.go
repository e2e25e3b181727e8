package bankgw

import (
	"fmt"
	"time"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// codec stands between what is ordered and answered, which is the same for every bank, and a bank's bytes. Links, matching, reversals and
// everything about time and money know only this; a bank's dialect is which codec it has, and its table.
//
// Owner: Run. What a method returns is a message without its frame and holds until the next call.
type codec interface {
	// load asks for money.
	load(o *transaction.LoadOrder) ([]byte, error)
	// reversal takes a load back: mtiReversal, or mtiRepeat when it may have been sent before.
	reversal(mti, cause string, o *transaction.LoadOrder, now time.Time) ([]byte, error)
	// withdrawal asks to pay an account: mtiLoad, or mtiWithdrawalRepeat when it may have been sent before; errNoWithdrawals when the bank has no
	// message for it.
	withdrawal(mti string, o *transaction.LoadOrder) ([]byte, error)
	// query asks what became of a load.
	query(o *transaction.LoadOrder) ([]byte, error)
	// signing asks about an agreement, or for a balance, with a trace and a moment of its own; ErrNoAgreements or ErrNoBalance when the bank has no
	// message for it.
	signing(s *Signing, trace uint32, moment int64) ([]byte, error)
	// network asks or tells something about the link.
	network(function int, trace uint32, now time.Time) ([]byte, error)
	// networkAnswer answers the bank's own network message, and its change of the key.
	networkAnswer(request *answer, code string) ([]byte, error)
	// totals says a day's, totalsAnswer answers the bank's.
	totals(t *Totals, trace uint32, now time.Time) ([]byte, error)
	totalsAnswer(request *answer, ours *Totals, verdict int, code string) ([]byte, error)
	// use signs with a key from now on.
	use(key iso8583.Secret) error
	// changesKeys says whether the bank's table has a message that brings a new key.
	changesKeys() bool
	// reader makes the other half, for one line.
	reader() (reader, error)
}

// reader takes messages of the bank apart, checking the MAC over the bytes as they came before anything else. Owner: the goroutine that
// reads one line. The payload may be written over after the call.
type reader interface {
	read(payload []byte) (answer, error)
}

// newCodec makes the codec of a bank. REQUIRES: c is valid.
func newCodec(c *Config, ring *keyRing) (codec, error) {
	k := ring.inUse.Load()
	for _, key := range []iso8583.Secret{k.MAC, k.Former} {
		if _, err := iso8583.NewMAC(ring.mode, key); key != nil && err != nil {
			return nil, KeyError{"mac_key_file", "密钥与 mac_mode 不符 / the key does not fit mac_mode: " + err.Error()}
		}
	}
	if _, err := iso8583.WrapKey(iso8583.SchemeOf(ring.mode), k.ZMK, k.MAC); k.ZMK != nil && err != nil {
		return nil, KeyError{"zmk_file", "密钥与 mac_mode 不符 / the key does not fit mac_mode: " + err.Error()}
	}
	rules := newCodeRules(&c.Dialect)
	if c.Dialect.Kind == DialectRecord {
		return newRecordCodec(c, rules, ring)
	}
	return newFieldCodec(c, rules, ring)
}

// newFramer is how messages follow each other at this bank. In the header of CUPS we are who forwards, the bank is who receives.
func newFramer(c *Config) (*iso8583.BankFramer, error) {
	return iso8583.NewBankFramer(c.Framing, c.Forwarding, c.Receiving)
}

// codeRules say what a bank's response codes mean.
type codeRules struct {
	told      map[string]transaction.ResponseCode // what a terminal is told
	uncertain map[string]bool
	notFound  map[string]bool
	notNow    map[string]bool
}

func newCodeRules(d *Dialect) *codeRules {
	r := &codeRules{told: map[string]transaction.ResponseCode{}, uncertain: map[string]bool{}, notFound: map[string]bool{}, notNow: map[string]bool{}}
	for _, line := range d.Codes {
		if bank, ours, ok := cutCode(line); ok {
			r.told[bank] = transaction.ResponseCode([]byte(ours))
		}
	}
	for _, code := range d.UncertainCodes {
		r.uncertain[code] = true
	}
	for _, code := range d.NotFoundCodes {
		r.notFound[code] = true
	}
	for _, code := range d.NotNowCodes {
		r.notNow[code] = true
	}
	return r
}

// weigh fills in what the bank's code means. A code of two characters stands for itself in the ledger; a longer one is read through the
// table, and one that the table does not have says nothing: it is uncertain.
func (r *codeRules) weigh(a *answer, code string) (ok bool) {
	told, known := r.told[code]
	a.uncertain, a.notFound, a.notNow = r.uncertain[code], r.notFound[code], r.notNow[code]
	switch {
	case code == "":
		return false
	case len(code) == len(a.code):
		copy(a.code[:], code)
		if a.told = a.code; known {
			a.told = told
		}
	case known:
		a.code, a.told = told, told
	default:
		a.code, a.told, a.uncertain = bankSaysNothing, bankSaysNothing, true
	}
	return true
}

// fateOf weighs the code that a load was answered with, as a query tells it; nil when it tells none.
func (r *codeRules) fateOf(code string) *answer {
	var a answer
	if !r.weigh(&a, code) {
		return nil
	}
	return &a
}

// bankSaysNothing is DE 39 for a code of the bank's that nobody has explained: no answer.
var bankSaysNothing = transaction.ResponseCode{'9', '8'}

// errNotAMessage says that bytes under a good MAC are no message of the bank.
type notAMessageError struct{ text string }

func (e notAMessageError) Error() string { return e.text }

func notAMessage(format string, args ...any) error {
	return notAMessageError{fmt.Sprintf(format, args...)}
}
