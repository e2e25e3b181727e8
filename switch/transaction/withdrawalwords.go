package transaction

import (
	"maps"
	"slices"
	"strings"

	"onecard/ledger/money"
)

// WithdrawalSaid is how far an entry has brought a withdrawal to a bank account, in a word for programs and in the words that its holder and the
// operator see.
type WithdrawalSaid struct{ State, Chinese, English string }

var withdrawalWords = map[Kind]WithdrawalSaid{
	KindBankWithdrawal:     {"sent", "已提交银行,款项冻结", "asked of the bank, the money is on hold"},
	KindWithdrawalUnknown:  {"unknown", "银行未答复,继续询问,款项冻结", "no answer yet, the bank is asked again, the money is on hold"},
	KindWithdrawalManual:   {"manual", "银行始终未答复,待双人按对账文件处理,款项冻结", "given up: two persons settle it by the bank's file, the money is on hold"},
	KindWithdrawalPaid:     {"paid", "银行已付款", "paid by the bank"},
	KindWithdrawalDeclined: {"declined", "银行拒绝付款,款项已解冻", "declined by the bank, the money is free again"},
	KindWithdrawalCharged:  {"charged", "已按银行文件补扣", "charged by the bank's file"},
	KindWithdrawalReturned: {"returned", "已按银行文件退还", "returned by the bank's file"},
	KindWithdrawalLate:     {"late", "了结之后银行又有应答,不再入账", "the bank answered after its end, which moves nothing"},
}

// WithdrawalWords are the words for an entry about a withdrawal, with the code that the bank has given; false for other entries.
func WithdrawalWords(kind Kind, code ResponseCode) (WithdrawalSaid, bool) {
	said, ok := withdrawalWords[kind]
	if kind == KindWithdrawalDeclined && code == BankCannotOperate {
		said.Chinese, said.English = "银行暂不可用,未付款,款项已解冻,请稍后再办", "the bank could not be reached, nothing was paid, the money is free again: try later"
	}
	return said, ok
}

// OpenWithdrawal is a withdrawal that has not ended.
type OpenWithdrawal struct {
	Number  uint64
	Time    int64 // microseconds since 1970
	Holder  uint32
	Account uint64 // at the bank
	Amount  money.Fen
	Held    money.Fen // the amount with its fee
	WithdrawalSaid
}

// WithdrawalsOpen are all withdrawals to bank accounts that have not ended, in their order.
func (s *State) WithdrawalsOpen() []OpenWithdrawal {
	kinds := map[withdrawalState]Kind{withdrawalSent: KindBankWithdrawal, withdrawalUnknown: KindWithdrawalUnknown, withdrawalManual: KindWithdrawalManual}
	var all []OpenWithdrawal
	for _, id := range slices.Sorted(maps.Keys(s.withdrawals.open)) {
		w := s.withdrawals.open[id]
		all = append(all, OpenWithdrawal{
			Number: id, Time: w.order.Time, Holder: w.holder, Account: w.order.BankAccount, Amount: w.order.Amount, Held: w.held, WithdrawalSaid: withdrawalWords[kinds[w.state]],
		})
	}
	return all
}

// BankReference is the bank's own number, as it has said it.
func BankReference(number [12]byte) string { return strings.Trim(string(number[:]), " \x00") }
