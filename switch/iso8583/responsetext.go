package iso8583

// Text is something said to people, Chinese first.
type Text struct {
	ZH string `json:"zh"`
	EN string `json:"en"`
}

// responseTexts is F39 (wire handbook 3.9). Where the terminal has to do something, the text says so.
var responseTexts = map[string]Text{
	"00": {"成功", "approved"},
	"01": {"请持卡人与发卡方联系", "refer to the card issuer"},
	"03": {"无效商户", "invalid merchant"},
	"04": {"没收卡", "pick up the card"},
	"05": {"身份认证失败", "holder not authenticated"},
	"10": {"部分批准", "partly approved"},
	"11": {"成功,VIP 客户", "approved, VIP"},
	"12": {"无效交易或无效的关联交易", "invalid transaction, or invalid as related to another"},
	"13": {"无效金额", "invalid amount"},
	"14": {"无效卡号", "invalid card number"},
	"15": {"无此发卡方", "no such issuer"},
	"21": {"卡未初始化", "card not initialised"},
	"22": {"关联交易错误", "the related transaction does not fit"},
	"25": {"找不到原交易", "original transaction not found"},
	"30": {"报文格式错误", "format error"},
	"34": {"作弊卡,没收", "suspected fraud, pick up the card"},
	"38": {"密码错误次数超限", "PIN tries exceeded"},
	"40": {"请求的功能不支持", "function not supported"},
	"41": {"卡已挂失", "card reported lost"},
	"43": {"卡被窃", "card reported stolen"},
	"45": {"不允许降级交易", "fallback to the magnetic stripe not allowed"},
	"51": {"余额不足", "not enough money"},
	"54": {"卡已过期", "card expired"},
	"55": {"密码错", "wrong PIN"},
	"57": {"不允许该持卡人做此交易", "not permitted to this holder"},
	"58": {"不允许该终端做此交易", "not permitted at this terminal"},
	"59": {"有作弊嫌疑", "suspected fraud"},
	"61": {"金额超限", "above the amount limit"},
	"62": {"受限制的卡", "restricted card"},
	"64": {"与原交易金额不符", "amount differs from the original"},
	"65": {"超出次数限制", "above the number allowed"},
	"68": {"发卡方或银行应答超时", "no answer in time from the issuer or bank"},
	"75": {"密码错误次数超限", "PIN tries exceeded"},
	"90": {"日终处理(日切),请稍后再试", "end-of-day processing: try later"},
	"91": {"发卡方或银行不能操作", "issuer or bank cannot operate"},
	"92": {"线路不可达", "no line to the issuer"},
	"94": {"重复交易", "duplicate transaction"},
	"96": {"系统异常,请稍后再试", "system error: try later"},
	"97": {"终端未登记", "terminal not registered"},
	"98": {"收不到发卡方应答", "no answer from the issuer"},
	"99": {"PIN 格式错,请重新签到", "PIN block cannot be read: sign on again"},
	"A0": {"MAC 校验错,请重新签到", "wrong MAC: sign on again"},
	"A1": {"转账货币不一致", "currencies of the transfer differ"},
	"A2": {"成功,有缺陷:请向转入行确认", "approved with a fault: confirm with the receiving bank"},
	"A3": {"到账行账号不正确", "wrong account at the receiving bank"},
	"A4": {"成功,有缺陷:请向到账行确认", "approved with a fault: confirm with the receiving bank"},
	"A5": {"成功,有缺陷:请向到账行确认", "approved with a fault: confirm with the receiving bank"},
	"A6": {"成功,有缺陷:请向到账行确认", "approved with a fault: confirm with the receiving bank"},
	"A7": {"安全处理失败", "security processing failed"},
	"A8": {"转账类拒绝,请查询银行", "transfer refused: ask the bank"},
	"B1": {"无欠费", "nothing owed"},
	"C1": {"受理方状态非法(未签到或已签退),请签到", "acquirer not signed on: sign on"},
	"N1": {"未登折账目已超限", "too many entries not yet printed in the passbook"},
	"P1": {"受理方或发卡方自定", "meaning set by acquirer or issuer"},
	"Y1": {"脱机交易成功", "approved offline"},
	"Y3": {"不能联机,脱机交易成功", "could not go online, approved offline"},
	"Z1": {"脱机交易失败", "declined offline"},
	"Z3": {"不能联机,脱机交易失败", "could not go online, declined offline"},
}

// ResponseText says what a response code (F39) means. Codes that the profile does not have are named as such, never left empty.
func ResponseText(code string) (zh, en string) {
	if t, ok := responseTexts[code]; ok {
		return t.ZH, t.EN
	}
	if len(code) == 2 && code[0] == 'D' && (code[1] >= '1' && code[1] <= '9' || code[1] >= 'A' && code[1] <= 'C') {
		return "文件处理错误", "file error"
	}
	if len(code) == 2 && code[0] == 'F' && code[1] >= '1' && code[1] <= '5' {
		return "文件记录错误", "file record error"
	}
	return "本规范没有的应答码", "a response code that the profile does not have"
}

// reversalReasons are F39 of a reversal request (wire handbook 3.6).
var reversalReasons = map[string]Text{
	"98": {"未按时收到应答", "no answer in time"},
	"96": {"批准后终端故障", "terminal fault after the approval"},
	"A0": {"应答 MAC 错", "the reply's MAC was wrong"},
	"06": {"其他原因", "other reason"},
}
