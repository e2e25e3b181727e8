package ledgertest

import (
	"cmp"
	"fmt"
	"slices"
)

// findingsKept bounds the findings that are kept in words; all are counted.
const findingsKept = 1000

// Finding is one thing that is wrong.
type Finding struct {
	Block uint64 `json:"block"` // sequence of the block's first entry; 0: not in a block
	Entry uint64 `json:"entry"` // 0: the block as a whole
	Text  string `json:"text"`
}

// Report is what the auditor has seen. Amounts in fen.
type Report struct {
	Blocks    uint64
	Entries   uint64
	FirstDay  uint32 // business day of the first block that has one, days since 1970
	LastDay   uint32
	Last      uint64   // sequence of the last entry
	Hash      [32]byte // of the last block
	Sum       int64    // of all balances: zero
	Debits    int64    // all debit legs, as a positive amount
	Credits   int64    // all credit legs
	Moved     int64    // credit legs of what terminals and banks asked for: opening balances left out
	Accounts  uint32
	OpenHolds int
	OpenLoads int
	// OpenWithdrawals are those to bank accounts that have not ended.
	OpenWithdrawals int
	Duplicates      uint64 // identities with more than one entry that moved money
	Faults          uint64 // findings, those not kept in words included
	Findings        []Finding
}

// note writes a finding down, Chinese first. Both sentences take the same arguments.
func (a *Auditor) note(chinese, english string, args ...any) {
	a.faults++
	if len(a.findings) >= findingsKept {
		return
	}
	text := fmt.Sprintf(chinese, args...) + " / " + fmt.Sprintf(english, args...)
	a.findings = append(a.findings, Finding{a.block, a.entry.sequence, text})
}

// AccountTotal is one row of the balance sheet.
type AccountTotal struct {
	Code   uint16 `json:"code"`
	NameZh string `json:"name_zh"`
	NameEn string `json:"name_en"`
	Count  uint64 `json:"count"`
	Debit  int64  `json:"debit_fen"`  // sum of the balances below zero, as a positive amount
	Credit int64  `json:"credit_fen"` // sum of the balances above zero
}

type accountName struct {
	code   uint16
	zh, en string
}

// accountNames is the chart of accounts of the domain handbook, section 3.11.
var accountNames = [...]accountName{
	{1001, "库存现金", "cash"},
	{1002, "银行存款(代管)", "bank, in custody"},
	{1011, "圈存在途", "bank loads in transit"},
	{1012, "第三方在途", "third parties in transit"},
	{1131, "应收补贴", "subsidies receivable"},
	{1133, "持卡人欠款", "owed by holders"},
	{2001, "主钱包", "main purses"},
	{2002, "补贴钱包", "subsidy purses"},
	{2101, "应付商户", "payable to merchants"},
	{2201, "卡押金", "card deposits"},
	{2301, "管理费", "management fees"},
	{2901, "待查", "suspense"},
}

// BalanceSheet adds up the accounts by code, in the order of the chart.
func (a *Auditor) BalanceSheet() []AccountTotal {
	byCode := map[uint16]*AccountTotal{}
	for i := 1; i < len(a.accounts); i++ {
		account := &a.accounts[i]
		total := byCode[account.code]
		if total == nil {
			total = &AccountTotal{Code: account.code, NameZh: "其他", NameEn: "other"}
			byCode[account.code] = total
		}
		total.Count++
		if account.balance < 0 {
			total.Debit -= account.balance
		} else {
			total.Credit += account.balance
		}
	}
	sheet := make([]AccountTotal, 0, len(byCode))
	for _, total := range byCode {
		for _, name := range accountNames {
			if name.code == total.Code {
				total.NameZh, total.NameEn = name.zh, name.en
			}
		}
		sheet = append(sheet, *total)
	}
	slices.SortFunc(sheet, func(x, y AccountTotal) int { return cmp.Compare(x.Code, y.Code) })
	return sheet
}

// yuan prints fen with two decimals.
func yuan(fen int64) string {
	sign, u := "", uint64(fen)
	if fen < 0 {
		sign, u = "-", -u
	}
	return fmt.Sprintf("%s%d.%02d", sign, u/100, u%100)
}
