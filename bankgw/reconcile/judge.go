package reconcile

import "fmt"

// judge says what a difference means. The first line that fits counts; what stands behind each is in the words that it gives.
func (m *meeting) judge() verdict {
	if m.withdrawal {
		return m.judgeWithdrawal()
	}
	switch {
	case m.ours == m.bank:
		return m.judgeLevel()
	case m.ours > 0 && m.bank > 0:
		return m.judgeAmounts()
	case m.bank < 0:
		return verdict{CaseStatusDiffers, ActionManual, "银行冲正了我方没有入账的圈存", "the bank gave back a load that we have not credited"}
	case m.bank > m.ours:
		return m.judgeLong()
	}
	return m.judgeShort()
}

// judgeLevel is of a load on which nothing is missing.
func (m *meeting) judgeLevel() verdict {
	switch {
	case m.otherHolder():
		return verdict{CaseAccountDiffers, ActionManual, "金额相符,持卡人不是同一人", "the amounts agree, the holders are not the same"}
	case m.cutExpected():
		return verdict{CaseDateCut, ActionDefer, "结果不明且临近日切,待下一份文件", "not known, and near the cut of the day: wait for the next file"}
	case m.carried != nil:
		return verdict{CaseSettled, ActionIgnore, "往日挂账已平", "what was open has come right"}
	case m.ours > 0:
		return verdict{what: CaseEqual, action: ActionIgnore}
	case m.state.open() && m.bankReversed():
		return verdict{CaseNothingTaken, ActionIgnore, "银行已扣款并已冲正", "the bank took it and gave it back"}
	case m.state.open():
		return verdict{CaseNothingTaken, ActionIgnore, "银行未扣款", "the bank took nothing"}
	}
	return verdict{what: CaseNothing, action: ActionIgnore}
}

// open says whether we do not know what the bank did.
func (s State) open() bool { return s == StateUnknown || s == StateReversing || s == StateManual }

// cutExpected: we do not know, the bank's file says nothing, and it may be in the next one. Without this a debit in the next file, whose
// reversal is in the one after it, would look like one that nobody is taking back.
func (m *meeting) cutExpected() bool {
	return m.state.open() && m.bank == 0 && m.load == nil && m.reversal == nil && m.nearCut
}

func (m *meeting) judgeAmounts() verdict {
	if m.bank > m.ours && m.before.bank > 0 && m.load.kept() > 0 {
		return verdict{CaseAmountDiffers, ActionManual, "银行重复扣款", "the bank debited more than once"}
	}
	return verdict{CaseAmountDiffers, ActionManual, "双方金额不同,挂暂收,双人处理", "the amounts differ: suspense, and two persons"}
}

// judgeLong: the bank keeps what the holder has not got.
func (m *meeting) judgeLong() verdict {
	switch m.state {
	case StateReversing, StateReturning:
		if m.age > m.rules.WaitDays {
			return verdict{CaseBankOnly, ActionManual, "银行已扣款,冲正迟迟没有结果", "the bank debited, and its reversal does not come to an end"}
		}
		return verdict{CaseBankOnly, ActionDefer, "银行已扣款,冲正进行中", "the bank debited, a reversal is under way"}
	case StateReversed:
		if m.age == 0 {
			return verdict{CaseStatusDiffers, ActionDefer, "我方已冲正,银行文件中尚无冲正", "reversed on our side, the file has no reversal yet"}
		}
		return verdict{CaseStatusDiffers, ActionManual, "我方已冲正,银行没有冲正", "reversed on our side and not at the bank"}
	case StateManual:
		return verdict{CaseBankOnly, ActionManual, "银行已扣款,人工处理中", "the bank debited, two persons have it in hand"}
	case StateNone, StateConfirmed:
		if m.nearCut {
			return verdict{CaseDateCut, ActionDefer, "银行先于我方记账日,待我方次日记录", "of our next day: wait for it"}
		}
		if m.state == StateConfirmed {
			break // of our next day, and it has not come with it
		}
		if m.account == 0 {
			return verdict{CaseBankOnly, ActionManual, "银行已扣款,我方无记录,账户不明", "the bank debited, we have no record, and the account is not known"}
		}
		return verdict{CaseBankOnly, ActionMakeUp, "银行已扣款,我方无记录", "the bank debited, we have no record"}
	case StateUnknown:
		return verdict{CaseBankOnly, ActionMakeUp, "银行已扣款,我方结果不明", "the bank debited, we had no answer"}
	case StateDeclined:
		return verdict{CaseBankOnly, ActionMakeUp, "银行已扣款,我方按拒绝处理", "the bank debited, we took it for declined"}
	}
	return verdict{CaseBankOnly, ActionManual, "银行已扣款,与我方状态矛盾", "the bank debited, which our state contradicts"}
}

// judgeShort: the holder has what the bank does not keep.
func (m *meeting) judgeShort() verdict {
	switch {
	case m.bankReversed():
		return verdict{CaseStatusDiffers, ActionClaim, "银行已冲正,我方已入账", "reversed at the bank and not on our side"}
	case m.nearCut && m.load == nil:
		return verdict{CaseDateCut, ActionDefer, "临近日切,应在银行下一份文件", "near the cut of the day: expected in the next file"}
	case m.load != nil:
		return verdict{
			CaseCampusOnly, ActionClaim, fmt.Sprintf("我方已入账,银行按 %s 未扣款", m.load.Code), fmt.Sprintf("we credited, the bank did not debit and says %s", m.load.Code),
		}
	}
	return verdict{CaseCampusOnly, ActionClaim, "我方已入账,银行未扣款", "we credited, the bank did not debit"}
}
