package transaction

import (
	"time"

	"onecard/ledger/money"
)

// Door is where requests come in and answers go out: the terminal server, or a simulated one. All its methods but Wake are called by
// the owner goroutine alone.
type Door interface {
	// Poll appends the requests that have arrived. When there are none it waits up to wait for the first (0: not at all; negative:
	// until one comes or Wake is called).
	Poll(wait time.Duration, requests []Request) ([]Request, error)
	// Answer sends decisions whose entries are durable. A decision whose asker has gone is dropped: he will ask again.
	Answer(decisions []Decision)
	// Wake makes a waiting Poll return. Any goroutine may call it.
	Wake()
}

// Bank is where loads go. Methods are called by the owner goroutine after the entry is durable and must not block; what cannot be taken
// is reported back as a request (KindLoadDeclined before anything left, KindLoadUnknown after).
type Bank interface {
	// Load asks the bank for money. The answer comes back through Engine.Submit as KindLoadConfirmed, KindLoadDeclined or
	// KindLoadUnknown, always.
	Load(LoadOrder)
	// Reverse takes a load back. It is repeated until the bank answers; then KindLoadReversed is submitted.
	Reverse(LoadOrder)
	// Withdraw asks the bank to pay what is on hold for a withdrawal. What became of it comes back as KindWithdrawalPaid or
	// KindWithdrawalDeclined; until then KindWithdrawalUnknown may be submitted once, and KindWithdrawalManual when the bank is asked no more.
	Withdraw(LoadOrder)
}

// LoadOrder is one load at the bank, or one withdrawal to an account there.
type LoadOrder struct {
	Load         uint64     // sequence of the KindLoad or KindBankWithdrawal entry; DE 37 of everything about it
	Time         int64      // when it was decided, microseconds since 1970
	Day          uint32     // settlement date
	Amount       money.Fen  // > 0
	Card         CardNumber // 0: the holder of a withdrawal has none
	BankAccount  uint64     // the holder's signed bank account or card, digits
	TerminalCode TerminalCode
	MerchantCode MerchantCode
	Repeat       bool // may have been sent before: 0421, and 0201 of a withdrawal
}
