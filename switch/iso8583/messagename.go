package iso8583

import "strings"

// Tables of wire handbook 3.1, 3.4, 3.5 and 5.2.

var applicationClasses = map[string]Text{
	"60": {"60 磁条卡支付", "60 magnetic stripe"},
	"61": {"61 IC 卡支付", "61 chip card"},
}

// processingWishes is the 处理要求 nibble.
var processingWishes = map[string]Text{
	"0": {"0 无", "0 nothing"},
	"1": {"1 下载参数", "1 download parameters"},
	"2": {"2 上送状态", "2 send status"},
	"3": {"3 重新签到", "3 sign on again"},
	"4": {"4 下载公钥", "4 download public keys"},
	"5": {"5 下载 IC 参数", "5 download chip parameters"},
	"6": {"6 TMS 更新", "6 update by TMS"},
}

// messageClasses are the second digit of the MTI.
var messageClasses = map[string]Text{
	"1": {"授权", "authorisation"},
	"2": {"金融", "financial"},
	"3": {"文件/批上送", "batch upload"},
	"4": {"冲正", "reversal"},
	"5": {"对账", "settlement"},
	"6": {"查询/脚本", "inquiry or script"},
	"8": {"管理", "network management"},
}

// messageFunctions are the third digit.
var messageFunctions = map[string]Text{
	"0": {"请求", "request"},
	"1": {"应答", "reply"},
	"2": {"通知", "advice"},
	"3": {"通知应答", "advice reply"},
}

// mtiNames are messages with a name of their own.
var mtiNames = map[string]Text{
	"0800": {"签到/密钥请求", "sign-on or key request"},
	"0810": {"签到/密钥应答", "sign-on or key reply"},
	"0820": {"网络管理请求", "network management request"},
	"0830": {"网络管理应答", "network management reply"},
	"0421": {"冲正通知(重发)", "reversal advice, repeated"},
}

// mtiName names a message type.
func mtiName(mti string) Text {
	if name, ok := mtiNames[mti]; ok {
		return name
	}
	if len(mti) != 4 || mti[0] != '0' {
		return Text{"未知报文类型", "unknown message type"}
	}
	class, known := messageClasses[mti[1:2]]
	function, also := messageFunctions[mti[2:3]]
	if !known || !also {
		return Text{"未知报文类型", "unknown message type"}
	}
	return Text{class.ZH + function.ZH, class.EN + " " + function.EN}
}

// terminalPurposes are F60.1.
var terminalPurposes = map[string]Text{
	"01": {"余额查询", "balance inquiry"},
	"10": {"预授权", "pre-authorisation"},
	"11": {"预授权撤销", "void of a pre-authorisation"},
	"20": {"预授权完成", "completion of a pre-authorisation"},
	"21": {"预授权完成撤销", "void of a completion"},
	"22": {"消费", "purchase"},
	"23": {"消费撤销", "void of a purchase"},
	"24": {"预授权完成通知", "completion advice"},
	"25": {"退货", "refund"},
	"36": {"脱机消费上送", "offline purchase, uploaded"},
	"45": {"指定账户圈存", "load from the card's bank account (圈存)"},
	"46": {"现金充值", "cash load"},
	"47": {"非指定账户圈存", "load from another account (圈存)"},
	"51": {"现金充值撤销", "void of a cash load"},
}

// networkCodes are F60.3 by class of message.
var networkCodes = map[string]Text{
	"0800 001": {"签到,单倍长 DES 密钥", "sign-on, single-length DES keys"},
	"0800 003": {"签到,双倍长 DES 密钥", "sign-on, double-length DES keys"},
	"0800 004": {"签到,双倍长 DES 密钥含磁道密钥", "sign-on, double-length DES keys with a track key"},
	"0800 005": {"签到,SM4 密钥", "sign-on, SM4 keys"},
	"0800 006": {"签到,SM4 密钥含磁道密钥", "sign-on, SM4 keys with a track key"},
	"0800 007": {"签到,AES 密钥", "sign-on, AES keys"},
	"0820 002": {"签退", "sign-off"},
	"0820 301": {"回响测试", "echo"},
	"0820 362": {"终端状态上送", "status upload"},
	"0820 372": {"IC 公钥状态上送", "public key status"},
	"0820 373": {"IC 公钥状态上送", "public key status"},
	"0820 382": {"IC 参数状态上送", "chip parameter status"},
	"0500 201": {"批结算", "batch settlement"},
	"0320 201": {"磁条卡明细上送", "batch details, stripe"},
	"0320 202": {"批上送结束(不平)", "end of upload, not balanced"},
	"0320 203": {"IC 卡明细上送(平)", "chip details, balanced"},
	"0320 204": {"通知类上送(平)", "advices, balanced"},
	"0320 205": {"IC 卡明细上送(不平)", "chip details, not balanced"},
	"0320 206": {"通知类上送(不平)", "advices, not balanced"},
	"0320 207": {"批上送结束(平)", "end of upload, balanced"},
	"0620 951": {"IC 卡脚本结果通知", "chip script result"},
}

// managementCodes are F70 of the bank link.
var managementCodes = map[string]Text{
	"001": {"签到", "sign-on"},
	"002": {"签退", "sign-off"},
	"101": {"密钥重置", "key change"},
	"201": {"日切开始", "cut-over begins"},
	"202": {"日切结束", "cut-over ends"},
	"301": {"回响测试", "echo"},
}

// processingCodes are the first two digits of F3.
var processingCodes = map[string]Text{
	"00": {"消费", "purchase"},
	"01": {"取现", "cash withdrawal"},
	"03": {"预授权", "pre-authorisation"},
	"17": {"现金充值撤销", "void of a cash load"},
	"20": {"撤销或退货", "void or refund"},
	"29": {"代付", "payout"},
	"30": {"余额查询", "balance inquiry"},
	"31": {"余额查询", "balance inquiry"},
	"33": {"账户验证", "account verification"},
	"38": {"交易结果查询", "inquiry about a transaction"},
	"40": {"转账", "transfer"},
	"60": {"指定账户圈存", "load from the card's bank account (圈存)"},
	"62": {"非指定账户圈存", "load from another account (圈存)"},
	"63": {"现金充值", "cash load"},
	"89": {"建立委托(签约)", "signing an account"},
	"92": {"撤销委托(解约)", "cancelling an account"},
}

// lookup names a code, or says that it has no meaning in the profile.
func lookup(table map[string]Text, code string) Text {
	if t, ok := table[code]; ok {
		return t
	}
	code = printable([]byte(code)) // it comes from a frame
	return Text{code + " 未定义", code + " not defined"}
}

// purpose is the business behind the message, nil when its fields do not say.
func (d *describer) purpose() *Text {
	switch three := d.values[3]; {
	case len(d.MTI) != 4:
		return nil
	case d.Link == "bank" && d.values[70] != "":
		return found(managementCodes, d.values[70])
	case d.Link == "bank" && len(three) == 6:
		return found(processingCodes, three[:2])
	case d.Link == "bank":
		return nil
	}
	if code := d.values[60]; len(code) >= 11 && !strings.ContainsAny(d.MTI[1:2], "124") {
		if t := found(networkCodes, d.class()+" "+code[8:11]); t != nil {
			return t
		}
	}
	if direction, ok := TLV([]byte(d.values[59]), "C5"); ok && d.MTI[1] == '2' && strings.Trim(d.values[4], "0") == "" {
		return passage(string(direction))
	}
	if code := d.values[60]; len(code) >= 2 && strings.ContainsAny(d.MTI[1:2], "124") {
		return found(terminalPurposes, code[:2])
	}
	return nil
}

// class is the MTI of the request: 0810 belongs to 0800.
func (d *describer) class() string {
	if d.MTI[2] == '1' || d.MTI[2] == '3' {
		return d.MTI[:2] + string(d.MTI[2]-1) + d.MTI[3:]
	}
	return d.MTI
}

func passage(direction string) *Text {
	switch direction {
	case "I":
		return &Text{"通行(进)", "gate passage, in"}
	case "O":
		return &Text{"通行(出)", "gate passage, out"}
	}
	return &Text{"通行", "gate passage"}
}

func found(table map[string]Text, code string) *Text {
	if t, ok := table[code]; ok {
		return &t
	}
	return nil
}
