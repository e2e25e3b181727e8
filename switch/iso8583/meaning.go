package iso8583

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"onecard/ledger/money"
)

// meaning says what a field's value means, where the handbook gives it a meaning.
func (d *describer) meaning(n int) []Text {
	v := d.values[n]
	switch n {
	case 2:
		return []Text{{fmt.Sprintf("%d 位卡号", len(v)), fmt.Sprintf("card number of %d digits", len(v))}}
	case 3:
		return []Text{lookup(processingCodes, first(v, 2))}
	case 4, 86, 87, 88, 89:
		return []Text{yuan(v)}
	case 7, 12, 13, 14, 15:
		return []Text{moment(n, v)}
	case 22:
		return []Text{entryMode(v)}
	case 25:
		return []Text{lookup(conditionCodes, v)}
	case 26:
		return []Text{{"密码最长 " + v + " 位", "PIN of at most " + v + " digits"}}
	case 39:
		return []Text{d.responseMeaning(v)}
	case 49, 50:
		return []Text{lookup(currencies, v)}
	case 61:
		return parts(v, originalParts)
	case 66:
		return []Text{lookup(settlementResults, v)}
	case 70:
		return []Text{lookup(managementCodes, v)}
	case 97:
		return []Text{sides(first(v, 1), v[min(1, len(v)):])}
	}
	return d.compositeMeaning(n, v)
}

// compositeMeaning is for fields that are made of several.
func (d *describer) compositeMeaning(n int, v string) []Text {
	switch n {
	case 44:
		if len(v) >= 22 && d.Link == "terminal" {
			issuer, acquirer := strings.TrimSpace(printable([]byte(v[:11]))), strings.TrimSpace(printable([]byte(v[11:22])))
			return []Text{{"发卡机构 " + issuer + ",收单机构 " + acquirer, "issuer " + issuer + ", acquirer " + acquirer}}
		}
	case 53:
		return securityControl(v)
	case 54:
		return balances(v)
	case 59:
		return listMeaning([]byte(v))
	case 60:
		if d.Link == "bank" {
			return parts(v, bankReasonParts)
		}
		return d.networkMeaning(v)
	case 63:
		if len(v) >= 3 {
			return []Text{{"操作员 " + printable([]byte(v[:3])), "operator " + printable([]byte(v[:3]))}}
		}
	case 90:
		return parts(v, reversedParts)
	}
	return nil
}

// secretMeaning says of something hidden what its length tells.
func (d *describer) secretMeaning(n, size int) []Text {
	switch {
	case n == 52 && size == 8:
		return []Text{{"DES 或 3DES 密文", "enciphered by DES or 3DES"}}
	case n == 52:
		return []Text{{"SM4 或 AES 密文", "enciphered by SM4 or AES"}}
	case n == 62 && d.MTI == "0810":
		return []Text{{"主密钥加密的工作密钥和校验值", "working keys under the master key, with check values"}}
	}
	return nil
}

func first(v string, n int) string { return v[:min(n, len(v))] }

// yuan reads fen.
func yuan(digits string) Text {
	fen, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return Text{"不是金额", "not an amount"}
	}
	text := money.Fen(fen).Yuan()
	return Text{text, text}
}

// sides is an amount with C or D before it.
func sides(sign, digits string) Text {
	amount := yuan(digits)
	switch sign {
	case "C":
		return amount
	case "D":
		return Text{"-" + amount.ZH, "-" + amount.EN}
	}
	return Text{"不是金额", "not an amount"}
}

// moments are the layouts of dates and times.
var moments = map[int]struct{ layout, shown string }{
	7:  {"0102150405", "01-02 15:04:05"},
	12: {"150405", "15:04:05"},
	13: {"0102", "01-02"},
	14: {"0601", "2006-01"},
	15: {"0102", "01-02"},
}

// moment checks a date or time. Fields without a year are read in a leap year, so that 0229 is a date.
func moment(n int, v string) Text {
	m := moments[n]
	layout, value := m.layout, v
	if n == 7 || n == 13 || n == 15 {
		layout, value = "2006"+layout, "2024"+value
	}
	at, err := time.Parse(layout, value)
	if err != nil {
		return Text{"不是日期或时间", "not a date or time"}
	}
	return Text{at.Format(m.shown), at.Format(m.shown)}
}

var entryModes = map[string]Text{
	"00": {"未指明", "not said"},
	"01": {"手工", "by hand"},
	"02": {"磁条", "magnetic stripe"},
	"03": {"二维码", "QR code"},
	"05": {"接触式 IC", "chip"},
	"07": {"非接触", "contactless"},
}

// entryMode is F22: how the card was read, and whether a PIN can be or was given.
func entryMode(v string) Text {
	t := lookup(entryModes, first(v, 2))
	switch {
	case len(v) == 3 && v[2] == '1':
		return Text{t.ZH + ",有密码", t.EN + ", with PIN"}
	case len(v) == 3 && v[2] == '2':
		return Text{t.ZH + ",无密码", t.EN + ", without PIN"}
	}
	return t
}

var conditionCodes = map[string]Text{
	"00": {"正常", "normal"},
	"06": {"预授权", "pre-authorisation"},
	"82": {"代付等", "payout and the like"},
	"91": {"电子现金/圈存", "e-cash, load"},
}

var currencies = map[string]Text{"156": {"人民币", "CNY"}}

var settlementResults = map[string]Text{"1": {"平", "balanced"}, "2": {"不平", "not balanced"}, "3": {"出错", "error"}}

// responseMeaning: in a request that reverses, F39 is a reason.
func (d *describer) responseMeaning(v string) Text {
	if reason, ok := reversalReasons[v]; ok && len(d.MTI) == 4 && d.MTI[1] == '4' && (d.MTI[2] == '0' || d.MTI[2] == '2') {
		return Text{"冲正原因:" + reason.ZH, "reason of the reversal: " + reason.EN}
	}
	zh, en := ResponseText(v)
	return Text{zh, en}
}

var pinFormats = map[string]Text{"0": {"无密码", "no PIN"}, "1": {"PIN 不含卡号", "PIN without card number"}, "2": {"PIN 含卡号", "PIN with card number"}, "4": {"ISO 格式 4", "ISO format 4"}}

var pinAlgorithms = map[string]Text{"0": {"DES", "DES"}, "3": {"SM4", "SM4"}, "4": {"AES", "AES"}, "6": {"3DES", "3DES"}}

// securityControl is F53.
func securityControl(v string) []Text {
	if len(v) < 3 {
		return nil
	}
	format, algorithm := lookup(pinFormats, v[:1]), lookup(pinAlgorithms, v[1:2])
	track := Text{"磁道不加密", "track in clear"}
	if v[2] != '0' {
		track = Text{"磁道加密", "track enciphered"}
	}
	return []Text{format, algorithm, track}
}

var balanceKinds = map[string]Text{"01": {"账面余额", "ledger balance"}, "02": {"可用余额", "available balance"}}

// balances is F54: accounts of twenty characters each.
func balances(v string) []Text {
	var all []Text
	for ; len(v) >= 20; v = v[20:] {
		kind, amount := lookup(balanceKinds, printable([]byte(v[2:4]))), sides(v[7:8], v[8:20])
		all = append(all, Text{kind.ZH + " " + amount.ZH, kind.EN + " " + amount.EN})
	}
	if v != "" {
		all = append(all, Text{"长度不是 20 的倍数", "length is not a multiple of 20"})
	}
	return all
}

var listTags = map[string]Text{
	"C1": {"钱包", "purse"},
	"C2": {"卡交易计数", "card's transaction counter"},
	"C3": {"交易前卡余额", "card balance before"},
	"C4": {"TAC", "TAC"},
	"C5": {"通行方向", "direction of passage"},
	"C6": {"餐次", "meal period"},
	"C7": {"脱机标志", "offline flag"},
	"C8": {"原价(分)", "list price, fen"},
	"C9": {"优惠(分)", "discount, fen"},
	"CA": {"管理费(分)", "management fee, fen"},
	"CB": {"应付(分)", "payable, fen"},
}

// listMeaning walks the TLV of F59.
func listMeaning(list []byte) []Text {
	var all []Text
	drawn := listVeil(list).draw(list)
	for len(list) > 0 {
		size, ok := listItem(list)
		if !ok {
			return append(all, Text{"其后不是 TLV", "what follows is not TLV"})
		}
		tag, shown := printable(drawn[:2]), printable(drawn[5:size])
		name, known := listTags[tag]
		if !known {
			name = Text{"未定义", "not defined"}
		}
		all = append(all, Text{tag + " " + name.ZH + " = " + shown, tag + " " + name.EN + " = " + shown})
		list, drawn = list[size:], drawn[size:]
	}
	return all
}

// namedPart is a stretch of a composite field.
type namedPart struct {
	length int
	name   Text
}

var originalParts = []namedPart{{6, Text{"原批次", "original batch"}}, {6, Text{"原流水", "original trace"}}, {4, Text{"原日期", "original date"}}}

var reversedParts = []namedPart{
	{4, Text{"原报文类型", "original message type"}},
	{6, Text{"原跟踪号", "original trace"}},
	{10, Text{"原传输时间", "original transmission time"}},
	{11, Text{"原受理机构", "original acquirer"}},
	{11, Text{"原发送机构", "original forwarder"}},
}

var bankReasonParts = []namedPart{{4, Text{"原因码", "reason code"}}}

// parts cuts a composite field. What is too short is left out.
func parts(v string, layout []namedPart) []Text {
	var all []Text
	for _, p := range layout {
		if len(v) < p.length {
			break
		}
		shown := printable([]byte(v[:p.length]))
		all = append(all, Text{p.name.ZH + " " + shown, p.name.EN + " " + shown})
		v = v[p.length:]
	}
	return all
}

var readAbilities = map[string]Text{"0": {"0 未指明", "0 not said"}, "2": {"2 磁条", "2 magnetic stripe"}, "5": {"5 接触式 IC", "5 chip"}, "6": {"6 非接触", "6 contactless"}}

// networkMeaning is F60: type of transaction, batch, network code, what the terminal can read.
func (d *describer) networkMeaning(v string) []Text {
	if len(v) < 2 {
		return nil
	}
	kind, ok := terminalPurposes[v[:2]]
	if !ok {
		kind = Text{"管理类", "management"}
	}
	all := []Text{{"60.1 交易类型 " + v[:2] + " " + kind.ZH, "60.1 type " + v[:2] + " " + kind.EN}}
	if len(v) >= 8 {
		all = append(all, Text{"60.2 批次 " + v[2:8], "60.2 batch " + v[2:8]})
	}
	if len(v) >= 11 {
		code := Text{"60.3 网管码 " + v[8:11], "60.3 network code " + v[8:11]}
		if t, ok := networkCodes[d.class()+" "+v[8:11]]; ok {
			code = Text{code.ZH + " " + t.ZH, code.EN + " " + t.EN}
		}
		all = append(all, code)
	}
	if len(v) >= 12 {
		ability := lookup(readAbilities, v[11:12])
		all = append(all, Text{"60.4 读卡能力 " + ability.ZH, "60.4 can read " + ability.EN})
	}
	if len(v) >= 13 {
		all = append(all, Text{"60.5 IC 条件码 " + v[12:13], "60.5 chip condition " + v[12:13]})
	}
	return all
}
