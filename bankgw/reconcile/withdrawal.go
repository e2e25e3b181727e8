package reconcile

import "fmt"

// judgeWithdrawal is judge for a withdrawal: ours is what was taken from the purse, the bank's what it has paid.
func (m *meeting) judgeWithdrawal() verdict {
	switch {
	case m.ours == m.bank:
		return m.judgePaidAlike()
	case m.ours > 0 && m.bank > 0:
		if m.bank > m.ours && m.before.bank > 0 && m.load.kept() != 0 {
			return verdict{CaseAmountDiffers, ActionManual, "银行重复付款", "the bank paid more than once"}
		}
		return verdict{CaseAmountDiffers, ActionManual, "双方金额不同,挂暂收,双人处理", "the amounts differ: suspense, and two persons"}
	case m.bank < 0:
		return verdict{CaseStatusDiffers, ActionManual, "文件中该流水号不是提现", "in the file this number is no withdrawal"}
	case m.bank > m.ours:
		return m.judgePaidOnly()
	}
	return m.judgePostedOnly()
}

// judgePaidAlike is of a withdrawal on which nothing is missing. What is on hold stays open until the bank has answered or two persons have
// settled it: nobody else can free the holder's money.
func (m *meeting) judgePaidAlike() verdict {
	switch {
	case m.otherHolder():
		return verdict{CaseAccountDiffers, ActionManual, "金额相符,持卡人不是同一人", "the amounts agree, the holders are not the same"}
	case m.cutExpected():
		return verdict{CaseDateCut, ActionDefer, "结果不明且临近日切,待下一份文件", "not known, and near the cut of the day: wait for the next file"}
	case m.state == StateManual:
		return verdict{CaseNothingTaken, ActionReturn, "银行未付款,冻结待退还", "the bank has paid nothing: what is on hold is to be returned"}
	case m.state.open():
		return verdict{CaseNothingTaken, ActionDefer, "银行未付款,仍在向银行查询", "the bank has paid nothing so far, and is still being asked"}
	case m.carried != nil:
		return verdict{CaseSettled, ActionIgnore, "往日挂账已平", "what was open has come right"}
	case m.ours > 0:
		return verdict{what: CaseEqual, action: ActionIgnore}
	}
	return verdict{what: CaseNothing, action: ActionIgnore}
}

// judgePaidOnly: the bank has paid what was not taken from the purse.
func (m *meeting) judgePaidOnly() verdict {
	switch m.state {
	case StateNone, StateConfirmed:
		if m.nearCut {
			return verdict{CaseDateCut, ActionDefer, "银行先于我方记账日,待我方次日记录", "of our next day: wait for it"}
		}
		return verdict{CaseBankOnly, ActionManual, "银行已付款,我方无记录", "the bank has paid, we have no record"}
	case StateUnknown:
		if m.age > m.rules.WaitDays {
			return verdict{CaseBankOnly, ActionManual, "银行已付款,却迟迟不答复我方", "the bank has paid, and does not come to answer us"}
		}
		return verdict{CaseBankOnly, ActionDefer, "银行已付款,仍在向银行查询", "the bank has paid, and is still being asked"}
	case StateManual:
		return verdict{CaseBankOnly, ActionCharge, "银行已付款,冻结待补扣", "the bank has paid: what is on hold is to be charged"}
	case StateReversed:
		return verdict{CaseStatusDiffers, ActionCharge, "银行已付款,我方已退还持卡人", "the bank has paid, and we have given it back to the holder"}
	case StateDeclined:
		return verdict{CaseBankOnly, ActionCharge, "银行已付款,我方按拒绝处理", "the bank has paid, we took it for declined"}
	}
	return verdict{CaseBankOnly, ActionManual, "银行已付款,与我方状态矛盾", "the bank has paid, which our state contradicts"}
}

// judgePostedOnly: what was taken from the purse has not been paid.
func (m *meeting) judgePostedOnly() verdict {
	switch {
	case m.nearCut && m.load == nil:
		return verdict{CaseDateCut, ActionDefer, "临近日切,应在银行下一份文件", "near the cut of the day: expected in the next file"}
	case m.load != nil:
		return verdict{
			CaseCampusOnly, ActionReturn, fmt.Sprintf("我方已扣款,银行按 %s 未付款", m.load.Code), fmt.Sprintf("taken from the purse, the bank did not pay and says %s", m.load.Code),
		}
	}
	return verdict{CaseCampusOnly, ActionReturn, "我方已扣款,银行未付款", "taken from the purse, the bank did not pay"}
}
