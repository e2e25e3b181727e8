package transaction

import (
	"strconv"

	"onecard/ledger/money"
	"onecard/switch/rules"
)

// ResponseCode is DE 39.
type ResponseCode [2]byte

func (c ResponseCode) String() string { return string(c[:]) }

// The response codes this core gives (wire handbook 3.9).
var (
	Approved           = ResponseCode{'0', '0'}
	InvalidMerchant    = ResponseCode{'0', '3'}
	InvalidTransaction = ResponseCode{'1', '2'}
	InvalidAmount      = ResponseCode{'1', '3'}
	InvalidCard        = ResponseCode{'1', '4'}
	OriginalMismatch   = ResponseCode{'2', '2'}
	FormatError        = ResponseCode{'3', '0'}
	PINTriesExceeded   = ResponseCode{'3', '8'}
	NotSupported       = ResponseCode{'4', '0'}
	LostCard           = ResponseCode{'4', '1'}
	InsufficientFunds  = ResponseCode{'5', '1'}
	ExpiredCard        = ResponseCode{'5', '4'}
	WrongPIN           = ResponseCode{'5', '5'}
	NotPermittedHolder = ResponseCode{'5', '7'}
	NotPermittedDevice = ResponseCode{'5', '8'}
	LimitExceeded      = ResponseCode{'6', '1'}
	RestrictedCard     = ResponseCode{'6', '2'}
	AmountMismatch     = ResponseCode{'6', '4'}
	CountExceeded      = ResponseCode{'6', '5'}
	BankTimeout        = ResponseCode{'6', '8'}
	BankTurnsDay       = ResponseCode{'9', '0'}
	BankCannotOperate  = ResponseCode{'9', '1'}
	Duplicate          = ResponseCode{'9', '4'}
	SystemBusy         = ResponseCode{'9', '6'}
	UnregisteredDevice = ResponseCode{'9', '7'}
	PINFormat          = ResponseCode{'9', '9'} // terminal signs on again
	MACError           = ResponseCode{'A', '0'} // terminal signs on again
	AcquirerStateBad   = ResponseCode{'C', '1'} // not signed on
)

// Decision is the answer to one request. It leaves only when everything it rests on is durable.
type Decision struct {
	Origin   Origin
	Kind     Kind
	Code     ResponseCode
	Reason   Reason
	Sequence uint64 // of the entry that recorded it; 0 for an echo
	Received int64  // when the request came in, microseconds since 1970: for the latency
	Time     int64  // microseconds since 1970
	Day      uint32 // business day (settlement date, DE 15), days since 1970 at the site
	Terminal TerminalID
	Batch    uint32
	Replayed bool // an earlier answer given again
	Silent   bool // nothing is sent: the asker asked again elsewhere and is answered there

	HasBalance bool
	Balance    money.Fen   // what the holder can spend: the sum of his purses after this entry
	Main       money.Fen   // taken from (or given to) the main purse
	Subsidy    money.Fen   // taken from the subsidy purse
	Price      rules.Price // approved purchases: what a receipt shows besides the parts
	Meal       uint8       // number of the meal period; 0 none
	Numbers    Numbers     // of the rule that refused, for the sentence in DE 56

	SignOn *SignOnGrant // KindSignOn, approved
}

// Numbers are the amounts that a refusal names, in the order that its sentence uses them.
type Numbers [3]money.Fen

// SignOnGrant is what the edge needs to open a session.
type SignOnGrant struct {
	Terminal  TerminalID
	Batch     uint32
	SealedKey []byte // the terminal's master key, sealed under the site key
	MACMode   uint8  // iso8583.MACMode
}

// Reference is DE 37: twelve characters, ours, never used again. Entries count up from 1 for the life of a ledger, so their sequence is
// the reference; an echo stores no entry and has a letter in front of a number of its own.
type Reference [12]byte

func (r Reference) String() string { return string(r[:]) }

// ReferenceOf prints a sequence as twelve decimal digits, six by six, since each waits for the one behind it.
func ReferenceOf(sequence uint64) Reference {
	var r Reference
	front, back := uint32(sequence/1e6%1e6), uint32(sequence%1e6)
	for i := 5; i >= 0; i-- {
		r[i], r[6+i] = byte('0'+front%10), byte('0'+back%10)
		front, back = front/10, back/10
	}
	return r
}

// EchoReference prints the unique moment of an echo: 'E' and eleven base-36 digits of microseconds.
func EchoReference(unique int64) Reference {
	r := Reference{'E', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0'}
	s := strconv.FormatInt(unique, 36)
	if len(s) > 11 {
		s = s[len(s)-11:]
	}
	copy(r[12-len(s):], s)
	return r
}

// Reference of the decision.
func (d *Decision) Reference() Reference {
	if d.Sequence == 0 {
		return EchoReference(d.Time)
	}
	return ReferenceOf(d.Sequence)
}
