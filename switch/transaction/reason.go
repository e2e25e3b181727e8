package transaction

import (
	"fmt"

	"onecard/ledger/money"
)

// Reason is the machine code of a decision: finer than DE 39, stored in the entry, label of the refusal metric. Values are stored:
// never renumber.
type Reason uint8

const (
	ReasonNone                Reason = 0
	ReasonTerminalUnknown     Reason = 1
	ReasonTerminalSuspended   Reason = 2
	ReasonMerchantMismatch    Reason = 3
	ReasonMerchantClosed      Reason = 4
	ReasonOutsideHours        Reason = 5
	ReasonKindNotAllowed      Reason = 6 // this kind of terminal may not ask for this
	ReasonNotSignedOn         Reason = 7
	ReasonTraceTooOld         Reason = 8 // behind the window of remembered answers
	ReasonDuplicateDiffers    Reason = 9 // same identity, other contents
	ReasonReversedBefore      Reason = 10
	ReasonCardUnknown         Reason = 11
	ReasonCardLost            Reason = 12
	ReasonCardFrozen          Reason = 13
	ReasonCardClosed          Reason = 14
	ReasonCardExpired         Reason = 15
	ReasonHolderState         Reason = 16
	ReasonAmountZero          Reason = 17
	ReasonAmountTooLarge      Reason = 18
	ReasonDayCount            Reason = 19
	ReasonDayAmount           Reason = 20
	ReasonPINNeededSingle     Reason = 21
	ReasonPINNeededDay        Reason = 22
	ReasonPINWrong            Reason = 23
	ReasonPINLocked           Reason = 24
	ReasonFunds               Reason = 25
	ReasonNoPermission        Reason = 26 // door
	ReasonOutsideDoorTime     Reason = 27
	ReasonPurseCap            Reason = 28
	ReasonLoadSingle          Reason = 29
	ReasonLoadDay             Reason = 30
	ReasonNoBankAccount       Reason = 31
	ReasonBankDeclined        Reason = 32
	ReasonBankUnreachable     Reason = 33 // nothing left the house
	ReasonBankTimeout         Reason = 34 // being reversed
	ReasonOriginalTooOld      Reason = 35 // reversal: behind the window
	ReasonOriginalAmount      Reason = 36
	ReasonOriginalCard        Reason = 37
	ReasonOriginalNotRefunded Reason = 38 // reversal of something that cannot be reversed now
	ReasonDiskLow             Reason = 39
	ReasonOriginalUnknown     Reason = 40 // reversal approved, tombstone left
	ReasonOriginalRefused     Reason = 41 // reversal approved, nothing to give back
	ReasonAlreadyReversed     Reason = 42 // reversal approved, given back before
	ReasonSchemeMismatch      Reason = 43 // sign-on asks for keys of another kind than registered
	ReasonInFlight            Reason = 44 // the same load is still waiting for the bank
	ReasonPINNeededLoad       Reason = 45
	ReasonQueueFull           Reason = 46
	ReasonDebt                Reason = 47 // served offline and not paid yet
	ReasonRefundedAtDesk      Reason = 48 // reversal: a desk has given back part of it
	ReasonAccountState        Reason = 49
	ReasonOutsideMeals        Reason = 50
	ReasonMealCount           Reason = 51
	ReasonMealAmount          Reason = 52
	ReasonBankTurnsDay        Reason = 53 // the bank is at its day end
	reasonCount               Reason = 54
)

type reasonRow struct {
	label   string
	code    ResponseCode
	zh, en  string // sentences with %[1]s.. for the numbers
	numbers int
}

var reasons = [reasonCount]reasonRow{
	ReasonNone:                {"none", Approved, "成功", "approved", 0},
	ReasonTerminalUnknown:     {"terminal_unknown", UnregisteredDevice, "终端未登记,请联系卡务中心", "terminal not registered: call the card office", 0},
	ReasonTerminalSuspended:   {"terminal_suspended", NotPermittedDevice, "终端已停用,请联系卡务中心", "terminal suspended: call the card office", 0},
	ReasonMerchantMismatch:    {"merchant_mismatch", InvalidMerchant, "终端与商户不符,请检查设置", "terminal is registered to another merchant: check its settings", 0},
	ReasonMerchantClosed:      {"merchant_closed", InvalidMerchant, "商户已停业", "merchant is closed", 0},
	ReasonOutsideHours:        {"outside_hours", NotPermittedDevice, "不在营业时段", "outside opening hours", 0},
	ReasonKindNotAllowed:      {"kind_not_allowed", NotPermittedDevice, "此终端不能办理该业务", "this terminal may not do that", 0},
	ReasonNotSignedOn:         {"not_signed_on", AcquirerStateBad, "请重新签到", "sign on again", 0},
	ReasonTraceTooOld:         {"trace_too_old", Duplicate, "流水号已过期,请重新签到后再刷", "trace number is behind the window: sign on again and repeat with a new one", 0},
	ReasonDuplicateDiffers:    {"duplicate_differs", Duplicate, "流水号重复且内容不同", "trace number used before for something else", 0},
	ReasonReversedBefore:      {"reversed_before", OriginalMismatch, "该笔已被冲正,请重新刷卡", "already reversed: tap again", 0},
	ReasonCardUnknown:         {"card_unknown", InvalidCard, "无此卡,请到卡务中心", "no such card: go to the card office", 0},
	ReasonCardLost:            {"card_lost", LostCard, "卡已挂失,找回请解挂", "card reported lost: cancel the report to use it", 0},
	ReasonCardFrozen:          {"card_frozen", RestrictedCard, "卡已冻结,请到卡务中心", "card frozen: go to the card office", 0},
	ReasonCardClosed:          {"card_closed", InvalidCard, "卡已注销", "card closed", 0},
	ReasonCardExpired:         {"card_expired", ExpiredCard, "卡已过期,请到卡务中心延期", "card expired: have it extended at the card office", 0},
	ReasonHolderState:         {"holder_state", NotPermittedHolder, "持卡人状态不允许,请到卡务中心", "holder's registration does not allow it: go to the card office", 0},
	ReasonAmountZero:          {"amount_zero", InvalidAmount, "金额须大于零", "amount must be above zero", 0},
	ReasonAmountTooLarge:      {"amount_too_large", InvalidAmount, "金额%[1]s超过系统上限%[2]s", "amount %[1]s above the system's limit %[2]s", 2},
	ReasonDayCount:            {"day_count", CountExceeded, "今日已刷%[1]s次,上限%[2]s次", "%[1]s purchases today, limit %[2]s", 2},
	ReasonDayAmount:           {"day_amount", LimitExceeded, "今日已用%[1]s,加本笔%[2]s超过日限额%[3]s", "%[1]s spent today, with %[2]s above the day limit %[3]s", 3},
	ReasonPINNeededSingle:     {"pin_needed_single", WrongPIN, "单笔%[1]s超过免密额%[2]s,请输密码", "%[1]s is above the no-PIN limit %[2]s: enter PIN", 2},
	ReasonPINNeededDay:        {"pin_needed_day", WrongPIN, "今日已用%[1]s,加本笔%[2]s超过免密累计%[3]s,请输密码", "%[1]s spent today, with %[2]s above the no-PIN total %[3]s: enter PIN", 3},
	ReasonPINWrong:            {"pin_wrong", WrongPIN, "密码错,还可试%[1]s次", "wrong PIN, %[1]s tries left", 1},
	ReasonPINLocked:           {"pin_locked", PINTriesExceeded, "密码已锁定或未设,请到卡务中心", "PIN locked or never set: have it set at the card office", 0},
	ReasonFunds:               {"funds", InsufficientFunds, "余额不足:可用%[1]s,需%[2]s,请充值", "%[1]s available, %[2]s needed: top up", 2},
	ReasonNoPermission:        {"no_permission", NotPermittedHolder, "无此门权限", "no permission for this door", 0},
	ReasonOutsideDoorTime:     {"outside_door_time", NotPermittedHolder, "不在通行时段", "outside the hours of this permission", 0},
	ReasonPurseCap:            {"purse_cap", LimitExceeded, "余额%[1]s加%[2]s超过钱包上限%[3]s", "balance %[1]s with %[2]s would exceed the purse cap %[3]s", 3},
	ReasonLoadSingle:          {"load_single", LimitExceeded, "单笔圈存%[1]s超过上限%[2]s", "load %[1]s above the limit of one load %[2]s", 2},
	ReasonLoadDay:             {"load_day", LimitExceeded, "今日已圈存%[1]s,加%[2]s超过日上限%[3]s", "%[1]s loaded today, with %[2]s above the day limit %[3]s", 3},
	ReasonNoBankAccount:       {"no_bank_account", NotPermittedHolder, "未签约银行卡,请先签约", "no bank account signed: sign one first", 0},
	ReasonBankDeclined:        {"bank_declined", NotPermittedHolder, "银行拒绝,未扣款", "the bank declined, nothing was taken", 0},
	ReasonBankUnreachable:     {"bank_unreachable", BankCannotOperate, "银行暂不可用,未扣款,请稍后再试", "bank not reachable, nothing was taken: try later", 0},
	ReasonBankTurnsDay:        {"bank_turns_day", BankTurnsDay, "银行正在日切,未扣款,请几分钟后再试", "the bank is turning its day, nothing was taken: try again in a few minutes", 0},
	ReasonBankTimeout:         {"bank_timeout", BankTimeout, "银行未应答,若已扣款将自动退回", "no answer from the bank: if it took the money it will be returned", 0},
	ReasonOriginalTooOld:      {"original_too_old", InvalidTransaction, "原交易过早,请到卡务中心处理", "original is too old: have it settled at the card office", 0},
	ReasonOriginalAmount:      {"original_amount", AmountMismatch, "冲正金额%[1]s与原金额%[2]s不符", "reversal of %[1]s differs from the original %[2]s", 2},
	ReasonOriginalCard:        {"original_card", OriginalMismatch, "冲正卡号与原交易不符", "reversal names another card than the original", 0},
	ReasonOriginalNotRefunded: {"original_not_refunded", OriginalMismatch, "圈存款已用,不能退回,请到卡务中心处理", "the loaded money is spent and cannot be taken back: have it settled at the card office", 0},
	ReasonDiskLow:             {"disk_low", SystemBusy, "系统忙,请稍后再试", "system busy: try later", 0},
	ReasonOriginalUnknown:     {"original_unknown", Approved, "冲正成功(原交易未到)", "reversed: the original had not arrived and will be refused", 0},
	ReasonOriginalRefused:     {"original_refused", Approved, "冲正成功(原交易未扣款)", "reversed: nothing had been taken", 0},
	ReasonAlreadyReversed:     {"already_reversed", Approved, "冲正成功(此前已退回)", "reversed: given back before", 0},
	ReasonSchemeMismatch:      {"scheme_mismatch", NotPermittedDevice, "终端密钥类型与登记不符", "terminal asks for keys of another kind than registered", 0},
	ReasonInFlight:            {"in_flight", Duplicate, "同一笔圈存正在处理", "the same load is still being processed", 0},
	ReasonPINNeededLoad:       {"pin_needed_load", WrongPIN, "圈存须输密码", "a load needs the PIN", 0},
	ReasonDebt:                {"debt", InsufficientFunds, "欠款%[1]s,请先充值还清", "%[1]s owed from offline purchases: top up first", 1},
	ReasonRefundedAtDesk:      {"refunded_at_desk", OriginalMismatch, "柜台已退%[1]s,请到卡务中心处理", "%[1]s was given back at a desk: have the rest settled at the card office", 1},
	ReasonAccountState:        {"account_state", RestrictedCard, "账户已冻结或保留,请到卡务中心", "account frozen or retained: go to the card office", 0},
	ReasonOutsideMeals:        {"outside_meals", NotPermittedDevice, "不在餐次时段", "outside every meal period", 0},
	ReasonMealCount:           {"meal_count", CountExceeded, "本餐已刷%[1]s次,上限%[2]s次", "%[1]s purchases in this meal, limit %[2]s", 2},
	ReasonMealAmount:          {"meal_amount", LimitExceeded, "本餐已用%[1]s,加本笔%[2]s超过每餐限额%[3]s", "%[1]s spent in this meal, with %[2]s above its limit %[3]s", 3},
	ReasonQueueFull:           {"queue_full", SystemBusy, "系统忙,请稍后再试", "system busy: try later", 0},
}

// String is the label of the reason in metrics and exports.
func (r Reason) String() string { return reasons[r].label }

// Code is the DE 39 that goes with the reason.
func (r Reason) Code() ResponseCode { return reasons[r].code }

// Reasons calls visit with every reason there is.
func Reasons(visit func(Reason)) {
	for r := Reason(0); r < reasonCount; r++ {
		visit(r)
	}
}

// Sentence tells the holder the rule, the numbers and what to do, in Chinese.
func (r Reason) Sentence(n Numbers) string { return reasons[r].sentence(reasons[r].zh, r, n) }

// English is the same sentence in English.
func (r Reason) English(n Numbers) string { return reasons[r].sentence(reasons[r].en, r, n) }

func (row *reasonRow) sentence(format string, r Reason, n Numbers) string {
	if row.numbers == 0 {
		return format
	}
	args := make([]any, row.numbers)
	for i := range args {
		args[i] = printNumber(r, n[i])
	}
	return fmt.Sprintf(format, args...)
}

// printNumber prints counts as they are and money in yuan.
func printNumber(r Reason, n money.Fen) string {
	if r == ReasonDayCount || r == ReasonMealCount || r == ReasonPINWrong {
		return fmt.Sprint(int64(n))
	}
	return n.String()
}
