package command

import (
	"fmt"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

func outcomeText(l *transaction.Line) string {
	switch l.Kind {
	case transaction.KindLoadConfirmed:
		return l.Code.String() + " 已入账 / credited"
	case transaction.KindLoadDeclined:
		return l.Code.String() + " " + sentences(l)
	case transaction.KindLoadUnknown:
		return l.Code.String() + " 银行未应答,冲正 / no answer from the bank, being reversed"
	case transaction.KindLoadReversed:
		return "银行已冲正 / reversed at the bank"
	case transaction.KindLoadMadeUp:
		return "已补账 / made up"
	case transaction.KindLoadClaimed:
		return "已追回 / taken back"
	case transaction.KindLoadClosed:
		return "已了结,未扣款 / closed, nothing was taken"
	case transaction.KindLoadManual:
		return l.Code.String() + " 冲正未获确认,转人工按对账文件处理 / the reversal was given up, to be settled by the bank's file"
	}
	return "银行迟到的应答 " + l.Code.String() + ",不入账 / a late answer of the bank, not credited"
}

func sentences(l *transaction.Line) string {
	return l.Reason.Sentence(l.Numbers) + " / " + l.Reason.English(l.Numbers)
}

func resultOf(l *transaction.Line) string {
	switch {
	case l.Kind == transaction.OpeningKind:
		return ""
	case l.Kind == transaction.KindCardState:
		return fmt.Sprintf("改为 %[1]s,经办 %[2]s / now %[1]s, asked by %[2]s", l.To, l.Operator)
	case l.Kind == transaction.KindReversal && l.Original != 0:
		return fmt.Sprintf("%s %s (%s)", l.Code, sentences(l), transaction.ReferenceOf(l.Original))
	}
	return l.Code.String() + " " + sentences(l) + priceText(l)
}

// priceText tells how the amount of a purchase came about, when it is not the list price.
func priceText(l *transaction.Line) string {
	if p := &l.Price; p.Discount != 0 || p.Fee != 0 {
		return fmt.Sprintf(";原价 %s 优惠 %s 管理费 %s / list %[1]s discount %[2]s fee %[3]s", p.List, p.Discount, p.Fee)
	}
	return ""
}

var statementKinds = map[transaction.Kind]string{
	transaction.OpeningKind: "期初 / opening", transaction.KindCardState: "卡状态 / card state", transaction.KindBalance: "查询 / balance",
	transaction.KindPurchase: "消费 / purchase", transaction.KindLoad: "圈存 / load", transaction.KindReversal: "冲正 / reversal",
}

func whatOf(l *transaction.Line) string {
	switch {
	case l.Automatic:
		return "自动圈存 / automatic load"
	case l.Kind != transaction.KindPassage:
		return statementKinds[l.Kind]
	case l.Direction == transaction.DirectionOut:
		return "出门 / way out"
	}
	return "进门 / way in"
}

func traceText(l *transaction.Line) string {
	if l.Terminal == 0 {
		return ""
	}
	return fmt.Sprintf("%06d-%06d", l.Batch, l.Trace)
}

func amountText(amount money.Fen, shown bool) string {
	if !shown {
		return ""
	}
	return amount.String()
}
