package iso8583

// format is how a field stands on the terminal link (wire handbook 3.2).
type format uint8

const (
	absent      format = iota
	number             // n digits, BCD; odd lengths left-aligned with a pad nibble behind
	numberRight        // n digits, BCD; odd lengths right-aligned with a 0 nibble before (F23)
	numberLL           // LL BCD byte counts digits, then left-aligned BCD
	numberLLL          // LLL two BCD bytes count digits
	track              // LL counts nibbles; digits and the separator D
	trackLLL           // as track with LLL
	text               // n bytes
	textLL             // LL BCD byte counts bytes
	textLLL            // LLL counts bytes
	octets             // n bytes
	pinBlock           // 8 or 16 bytes, by the session's PIN key
)

type layout struct {
	format format
	length int // digits of number fields, bytes of others; the most for variable ones
	zh, en string
	secret bool // never shown
}

// fields is the table of the terminal link, shared by the hot codec, the moov specification and Describe.
var fields = [65]layout{
	2:  {numberLL, 19, "主账号", "card number", false},
	3:  {number, 6, "处理码", "processing code", false},
	4:  {number, 12, "交易金额", "amount", false},
	7:  {number, 10, "传输日期时间", "transmission date and time", false},
	11: {number, 6, "跟踪号", "trace number", false},
	12: {number, 6, "本地时间", "local time", false},
	13: {number, 4, "本地日期", "local date", false},
	14: {number, 4, "有效期", "expiry", false},
	15: {number, 4, "清算日期", "settlement date", false},
	22: {number, 3, "输入方式", "entry mode", false},
	23: {numberRight, 3, "卡序列号", "card sequence number", false},
	25: {number, 2, "条件码", "condition code", false},
	26: {number, 2, "PIN获取码", "PIN capture code", false},
	32: {numberLL, 11, "受理机构", "acquiring institution", false},
	35: {track, 37, "二磁道", "track 2", true},
	36: {trackLLL, 104, "三磁道", "track 3", true},
	37: {text, 12, "检索参考号", "retrieval reference number", false},
	38: {text, 6, "授权码", "authorisation code", false},
	39: {text, 2, "应答码", "response code", false},
	41: {text, 8, "终端号", "terminal", false},
	42: {text, 15, "商户号", "merchant", false},
	43: {text, 40, "商户名", "merchant name", false},
	44: {textLL, 25, "附加响应", "additional response", false},
	45: {textLL, 76, "一磁道", "track 1", true},
	46: {textLLL, 999, "附加数据", "additional data", false},
	48: {numberLLL, 322, "附加数据-私有", "private data", true},
	49: {text, 3, "币种", "currency", false},
	52: {pinBlock, 16, "PIN", "PIN block", true},
	53: {number, 16, "安全控制", "security control", false},
	54: {textLLL, 120, "余额", "balance", false},
	55: {textLLL, 255, "IC卡数据", "chip data", true},
	56: {textLLL, 255, "应答文本", "response text", false},
	57: {textLLL, 255, "自定义57", "private 57", false},
	58: {textLLL, 255, "电子钱包", "e-purse", false},
	59: {textLLL, 255, "自定义TLV", "private TLV", false},
	60: {numberLLL, 17, "自定义60", "type, batch, network code", false},
	61: {numberLLL, 29, "原始信息", "original data", false},
	62: {textLLL, 512, "密钥/自定义", "keys or private data", true},
	63: {textLLL, 163, "操作员/自定义", "operator or private data", false},
	64: {octets, 8, "MAC", "message authentication code", true},
}
