package channelsim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"onecard/ledger/money"
)

// heads are the columns of the file, in their order.
var heads = []string{
	"交易时间", "公众账号ID", "商户号", "特约商户号", "设备号", "微信订单号", "商户订单号", "用户标识", "交易类型", "交易状态", "付款银行", "货币种类", "应结订单金额",
	"代金券金额", "微信退款单号", "商户退款单号", "退款金额", "充值券退款金额", "退款类型", "退款状态", "商品名称", "商户数据包", "手续费", "费率", "订单金额", "申请退款金额", "费率备注",
}

var summaryHeads = []string{"总交易单数", "应结订单总金额", "退款总金额", "充值券退款总金额", "手续费总金额", "订单总金额", "申请退款总金额"}

const (
	feePerMille = 6 // 0.60 %
	dayLayout   = time.DateOnly
)

// fee is 0.60 % in hundred-thousandths of a yuan.
func fee(amount money.Fen) int64 { return int64(amount) * 1000 * feePerMille / 1000 }

func feeText(fee int64) string {
	sign := ""
	if fee < 0 {
		sign, fee = "-", -fee
	}
	return fmt.Sprintf("%s%d.%05d", sign, fee/100_000, fee%100_000)
}

// File is the channel's file of a day: every payment and refund of it.
func (s *Sim) File(day string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file(day)
}

func (s *Sim) file(day string) string {
	var b strings.Builder
	b.WriteString("\ufeff" + strings.Join(heads, ",") + "\r\n")
	count, fees := 0, int64(0)
	var taken, returned money.Fen
	numbers := make([]string, 0, len(s.orders))
	for number := range s.orders {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	on := func(at time.Time) bool { return at.In(s.config.Zone).Format(dayLayout) == day }
	for _, number := range numbers {
		o := s.orders[number]
		if o.Taken > 0 && on(o.PaidAt) {
			count, taken, fees = count+1, taken+o.Taken, fees+fee(o.Taken)
			s.line(&b, o, o.PaidAt, "SUCCESS", o.Taken, nil)
		}
		for _, r := range o.Refunds {
			if r.Status == "SUCCESS" && on(r.At) {
				count, returned, fees = count+1, returned+r.Amount, fees-fee(r.Amount)
				s.line(&b, o, r.At, "REFUND", 0, r)
			}
		}
	}
	b.WriteString(strings.Join(summaryHeads, ",") + "\r\n")
	fmt.Fprintf(&b, "`%d,`%s,`%s,`0.00,`%s,`%s,`%s\r\n", count, taken, returned, feeText(fees), taken, returned)
	return b.String()
}

func (s *Sim) line(b *strings.Builder, o *Order, at time.Time, state string, amount money.Fen, r *Refund) {
	number, refund, charged := "", money.Fen(0), fee(amount)
	if r != nil {
		number, refund, charged = r.Number, r.Amount, -fee(r.Amount)
	}
	values := map[string]string{
		"交易时间": at.In(s.config.Zone).Format(time.DateTime), "商户号": s.config.Merchant, "微信订单号": o.Transaction, "商户订单号": o.Number, "交易类型": "NATIVE", "交易状态": state,
		"付款银行": "OTHERS", "货币种类": "CNY", "应结订单金额": amount.String(), "代金券金额": "0.00", "商户退款单号": number, "退款金额": refund.String(), "充值券退款金额": "0.00",
		"商品名称": "校园卡充值", "手续费": feeText(charged), "费率": "0.60%", "订单金额": amount.String(), "申请退款金额": refund.String(),
	}
	for i, head := range heads {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("`" + values[head])
	}
	b.WriteString("\r\n")
}

// bill tells where the file of a day is and what its digest is.
func (s *Sim) bill(w http.ResponseWriter, r *http.Request) {
	day := r.URL.Query().Get("bill_date")
	file := s.file(day)
	if strings.Count(file, "\r\n") == 3 {
		s.answer(w, http.StatusBadRequest, saying{"NO_STATEMENT_EXIST", "账单不存在"})
		return
	}
	verb, _ := s.next("statement")
	switch verb {
	case "cut": // signed as it is: the channel's own mistake
		lines := strings.SplitAfter(file, "\r\n")
		file = strings.Join(slices.Delete(lines, 1, 2), "")
		s.script["download"] = append(s.script["download"], file)
	case "sum":
		last := strings.LastIndex(file, "\r\n`")
		file = file[:last] + "\r\n`9" + file[last+3:]
		s.script["download"] = append(s.script["download"], file)
	case "forged": // by somebody on the way
		s.script["download"] = append(s.script["download"], strings.Replace(file, "SUCCESS", "REFUND", 1))
	}
	sum := sha256.Sum256([]byte(file))
	s.answer(w, http.StatusOK, map[string]string{
		"hash_type": "SHA256", "hash_value": hex.EncodeToString(sum[:]), "download_url": "http://" + r.Host + "/v3/billdownload/" + day,
	})
}

func (s *Sim) download(w http.ResponseWriter, r *http.Request) {
	file := s.file(r.PathValue("day"))
	if list := s.script["download"]; len(list) > 0 {
		file, s.script["download"] = list[0], list[1:]
	}
	_, _ = w.Write([]byte(file))
}
