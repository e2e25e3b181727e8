package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// Reconciliations compare a closed business day's loads with the bank's file (对账). They post nothing. What they cannot do comes back as
// *transaction.Refused or *Problem.
type Reconciliations interface {
	// Reconcile compares a day with the bank's file of it, taken whole or not at all, and keeps what came of it. The same file again gives the
	// same. format is a or b (wire handbook 5.2).
	Reconcile(ctx context.Context, bank, day, format string, file []byte) (*BankDay, error)
	// Reconciled is what the last comparison of a day said.
	Reconciled(ctx context.Context, bank, day string) (*BankDay, error)
	// Totals are a closed day's, and what the bank has said about them (0520 and 0530).
	Totals(ctx context.Context, bank, day string) (*BankTotals, error)
	// Days that were compared, in order.
	Days(ctx context.Context, bank string) ([]string, error)
}

// BankDay is a day of loads held against the bank's file.
type BankDay struct {
	Bank           string       `json:"bank"`
	Day            string       `json:"day"`
	SHA256         string       `json:"sha256" doc:"文件摘要 / of the file"`
	Loads          int          `json:"loads" doc:"银行扣款笔数 / debits of the bank"`
	LoadsSum       Yuan         `json:"loads_sum"`
	Reversals      int          `json:"reversals"`
	ReversalsSum   Yuan         `json:"reversals_sum"`
	Withdrawals    int          `json:"withdrawals,omitempty" doc:"银行提现付款笔数 / withdrawals that the bank has paid"`
	WithdrawalsSum Yuan         `json:"withdrawals_sum,omitzero"`
	Balanced       bool         `json:"balanced" doc:"差额全部有解释 / every difference is explained"`
	Equation       BankEquation `json:"equation"`
	Cases          []BankCase   `json:"cases"`
	Ageing         []BankAge    `json:"ageing,omitempty"`
	Items          []BankItem   `json:"items"`
	Totals         *BankTotals  `json:"totals,omitempty" doc:"双方总额 / what both sides have added up"`
}

// BankTotals are both sides' totals of a day.
type BankTotals struct {
	Day      string       `json:"day"`
	Verdict  string       `json:"verdict" enum:"balanced,differs,contradicts,silent,waiting" doc:"我方比对的结果 / of our own comparison; contradicts: 数字相同而银行说不符 / the same figures, and the bank says that they differ"`
	Ours     BankFigures  `json:"ours"`
	Bank     *BankFigures `json:"bank,omitempty"`
	BankCode int          `json:"bank_code,omitempty" doc:"银行的 DE 66:1 相符 2 不符 3 有误 / the bank's DE 66: 1 balanced, 2 not balanced, 3 in error"`
	Net      Yuan         `json:"net" doc:"银行净额减我方 / the bank's net less ours"`
	Differs  []string     `json:"differs"`
	Note     string       `json:"note,omitempty"`
	File     string       `json:"file,omitempty" doc:"银行已备好的文件(DE 101) / file that the bank says is ready"`
	OfFile   string       `json:"of_file,omitempty" enum:"same,differs" doc:"已核对的文件与银行总额 / the reconciled file against the bank's totals"`
}

// BankFigures are from the bank's side: a debit takes from a holder's account.
type BankFigures struct {
	Debits      uint64 `json:"debits"`
	DebitSum    Yuan   `json:"debit_sum"`
	Reversed    uint64 `json:"reversed"`
	ReversedSum Yuan   `json:"reversed_sum"`
	Credits     uint64 `json:"credits,omitempty" doc:"提现付款 / withdrawals paid"`
	CreditSum   Yuan   `json:"credit_sum,omitzero"`
}

// BankEquation is: bank − ours = bank only − campus only − paid only + taken only + amounts ± cut-off, and nothing unexplained.
type BankEquation struct {
	Bank        Yuan `json:"bank"`
	Ours        Yuan `json:"ours"`
	Difference  Yuan `json:"difference"`
	BankOnly    Yuan `json:"bank_only"`
	CampusOnly  Yuan `json:"campus_only"`
	PaidOnly    Yuan `json:"paid_only,omitzero" doc:"提现:银行已付、我方未扣 / withdrawals paid by the bank and not taken from the purse"`
	TakenOnly   Yuan `json:"taken_only,omitzero" doc:"提现:我方已扣、银行未付 / withdrawals taken from the purse and not paid"`
	Amounts     Yuan `json:"amounts"`
	CutOff      Yuan `json:"cut_off"`
	Unexplained Yuan `json:"unexplained"`
	Opening     Yuan `json:"opening"`
	Closing     Yuan `json:"closing"`
}

// BankCase is how many loads are of a case, and what both sides have of them.
type BankCase struct {
	Case        string `json:"case"`
	CaseChinese string `json:"case_zh"`
	Count       int    `json:"count"`
	Ours        Yuan   `json:"ours"`
	Bank        Yuan   `json:"bank"`
}

// BankAge is what has been open for so many days: long, the bank has more; short, we have more.
type BankAge struct {
	From     int  `json:"from_days"`
	To       int  `json:"to_days"`
	Long     int  `json:"long"`
	LongSum  Yuan `json:"long_sum"`
	Short    int  `json:"short"`
	ShortSum Yuan `json:"short_sum"`
}

// BankItem is a load whose sides do not agree, or one of an earlier day that has come right.
type BankItem struct {
	Record         uint64 `json:"record"`
	Day            string `json:"day"`
	Age            int    `json:"age_days"`
	Case           string `json:"case"`
	CaseChinese    string `json:"case_zh"`
	Action         string `json:"action" enum:"ignore,defer,make_up,claim,manual,charge,return"`
	State          string `json:"state"`
	Ours           Yuan   `json:"ours"`
	Bank           Yuan   `json:"bank"`
	Difference     Yuan   `json:"difference"`
	BankNumber     uint64 `json:"bank_number,omitempty"`
	Chinese        string `json:"zh"`
	English        string `json:"en"`
	Open           bool   `json:"open"`
	Withdrawal     bool   `json:"withdrawal,omitempty" doc:"提现:ours 为已扣、bank 为已付 / a withdrawal: ours is taken, bank is paid"`
	Proposal       string `json:"proposal,omitempty" doc:"可提请的业务 / the operation that can be proposed"`
	ProposalAmount *Yuan  `json:"proposal_amount,omitempty"`
}

// BankProposal is what became of an item that was proposed.
type BankProposal struct {
	Record   uint64 `json:"record"`
	Kind     string `json:"kind"`
	Amount   Yuan   `json:"amount"`
	Proposal string `json:"proposal,omitempty" doc:"待审业务编号 / number of the proposal"`
	Repeated bool   `json:"repeated,omitempty" doc:"此前已提请 / it was proposed before"`
	Refused  string `json:"refused,omitempty" doc:"不能提请的原因 / why it could not be proposed"`
}

// BankFileRefused is a bank's file of which no line was taken, with all its faults.
func BankFileRefused(faults []Fault) *Problem {
	p := problem(http.StatusUnprocessableEntity, "bank_file", "对账文件整份拒收,请银行更正后重传", "no line of the bank's file was taken: have the bank correct it")
	p.Errors = faults
	return p
}

// BankNamed is a bank in a path.
type BankNamed struct {
	Bank string `path:"bank" maxLength:"32" doc:"银行 / bank, as in the configuration"`
}

// BankDayNamed is a day of a bank.
type BankDayNamed struct {
	BankNamed
	Day string `path:"day" format:"date"`
}

// bankFileMax bounds a bank's file: two million lines.
const bankFileMax = 256 << 20

type (
	bankFileAsked struct {
		Idempotency
		BankDayNamed
		Body struct {
			Format string `json:"format" enum:"a,b" doc:"a:竖线分隔;b:71 字节定长 / a: bars; b: 71 bytes"`
			File   []byte `json:"file" doc:"文件原样 / its bytes as they are"`
		}
	}
	bankProposalsAsked struct {
		Idempotency
		BankDayNamed
	}
	bankDayAnswer    struct{ Body BankDay }
	bankTotalsAnswer struct{ Body BankTotals }
	bankDaysAnswer   struct {
		Body struct {
			Days []string `json:"days"`
		}
	}
	bankProposalsAnswer struct {
		Body struct {
			Proposals []BankProposal `json:"proposals"`
		}
	}
)

func (c *Console) registerReconciliations(api huma.API) {
	register(c, api, route{
		id: "bank_reconcile", method: http.MethodPost, path: "/banks/{bank}/days/{day}", chinese: "与银行对账", english: "reconcile a day with the bank's file",
		need: transaction.RoleAccountant, tag: "banks", bodyMax: bankFileMax,
	}, c.reconcileBank)
	register(c, api, route{
		id: "bank_day", method: http.MethodGet, path: "/banks/{bank}/days/{day}", chinese: "一日对账结果", english: "what came of a day", need: readers, tag: "banks",
	}, c.showBankDay)
	register(c, api, route{
		id: "bank_totals", method: http.MethodGet, path: "/banks/{bank}/days/{day}/totals", chinese: "一日双方总额", english: "both sides' totals of a day", need: readers, tag: "banks",
	}, c.showBankTotals)
	register(c, api, route{
		id: "bank_days", method: http.MethodGet, path: "/banks/{bank}/days", chinese: "已对账的日期", english: "days that were reconciled", need: readers, tag: "banks",
	}, c.listBankDays)
	register(c, api, route{
		id: "bank_proposals", method: http.MethodPost, path: "/banks/{bank}/days/{day}/proposals", chinese: "按对账结果提请补账、追回、了结", english: "propose what the day asks for",
		need: transaction.RoleAccountant, tag: "banks",
	}, c.proposeBankDay)
}

func noBanks() *Problem {
	return problem(http.StatusNotFound, "no_banks", "没有配置银行", "no bank is configured")
}

// unreconciled says that there is nothing of a day, which is no fault of the program.
func unreconciled(err error) error {
	if errors.Is(err, ErrNoEntry) {
		return problem(http.StatusNotFound, "day_reconciled", "该日尚无对账结果或总额", "the day has not been reconciled, or its totals are not there")
	}
	return err
}

func (c *Console) reconcileBank(ctx context.Context, _ person, in *bankFileAsked, n *note) (*bankDayAnswer, error) {
	n.subject = "bank " + in.Bank + " " + in.Day
	if c.reconciliations == nil {
		return nil, noBanks()
	}
	day, err := c.reconciliations.Reconcile(ctx, in.Bank, in.Day, in.Body.Format, in.Body.File)
	if err != nil {
		return nil, err
	}
	n.outcome, n.reason = "done", "sha256 "+day.SHA256
	return &bankDayAnswer{*day}, nil
}

func (c *Console) showBankDay(ctx context.Context, _ person, in *BankDayNamed, n *note) (*bankDayAnswer, error) {
	n.subject = "bank " + in.Bank + " " + in.Day
	if c.reconciliations == nil {
		return nil, noBanks()
	}
	day, err := c.reconciliations.Reconciled(ctx, in.Bank, in.Day)
	if err != nil {
		return nil, unreconciled(err)
	}
	return &bankDayAnswer{*day}, nil
}

func (c *Console) showBankTotals(ctx context.Context, _ person, in *BankDayNamed, n *note) (*bankTotalsAnswer, error) {
	n.subject = "bank " + in.Bank + " " + in.Day
	if c.reconciliations == nil {
		return nil, noBanks()
	}
	totals, err := c.reconciliations.Totals(ctx, in.Bank, in.Day)
	if err != nil {
		return nil, unreconciled(err)
	}
	return &bankTotalsAnswer{*totals}, nil
}

func (c *Console) listBankDays(ctx context.Context, _ person, in *BankNamed, n *note) (*bankDaysAnswer, error) {
	n.subject = "bank " + in.Bank
	if c.reconciliations == nil {
		return nil, noBanks()
	}
	out := &bankDaysAnswer{}
	var err error
	out.Body.Days, err = c.reconciliations.Days(ctx, in.Bank)
	return out, err
}

// proposeBankDay proposes what a day's comparison asks for, each load under a key of its own whoever asks, so that it is proposed once.
func (c *Console) proposeBankDay(ctx context.Context, who person, in *bankProposalsAsked, n *note) (*bankProposalsAnswer, error) {
	n.subject = "bank " + in.Bank + " " + in.Day
	if c.reconciliations == nil {
		return nil, noBanks()
	}
	day, err := c.reconciliations.Reconciled(ctx, in.Bank, in.Day)
	if err != nil {
		return nil, unreconciled(err)
	}
	out := &bankProposalsAnswer{}
	out.Body.Proposals = []BankProposal{}
	for i := range day.Items {
		if item := &day.Items[i]; item.Proposal != "" {
			p, err := c.proposeBankItem(ctx, who, day, item)
			if err != nil {
				return nil, err
			}
			out.Body.Proposals = append(out.Body.Proposals, p)
		}
	}
	n.outcome, n.reason = "done", fmt.Sprintf("%d proposals", len(out.Body.Proposals))
	return out, nil
}

func (c *Console) proposeBankItem(ctx context.Context, who person, day *BankDay, item *BankItem) (BankProposal, error) {
	p := BankProposal{Record: item.Record, Kind: item.Proposal}
	row, ok := rowLabelled(item.Proposal)
	if !ok {
		return p, fmt.Errorf("there is no operation %s", item.Proposal)
	}
	o := &transaction.Operation{
		Kind: row.Kind, Operator: who.code, Key: keyOf("bank "+day.Bank, fmt.Sprintf("%s %d %s", day.Day, item.Record, item.Proposal)), Original: item.Record,
		Document: "DZ-" + day.Day, Reason: item.Chinese + " / " + item.English,
	}
	if item.ProposalAmount != nil {
		o.Amount, p.Amount = money.Fen(*item.ProposalAmount), *item.ProposalAmount
	}
	if takes(&row, "evidence") {
		var err error
		if o.Evidence, err = c.evidence(ctx, item.Record); err != nil {
			return p, err
		}
	}
	done, err := c.core.Operate(ctx, o, c.clock())
	if refused := new(transaction.Refused); errors.As(err, &refused) {
		if refused.Rule == ruleKeyReused { // another operator has proposed it
			p.Repeated = true
			return p, nil
		}
		p.Refused = refused.Error()
		return p, nil
	}
	if err != nil {
		return p, err
	}
	p.Proposal, p.Repeated = transaction.ReferenceOf(done.Sequence).String(), done.Repeated
	return p, nil
}

// rowLabelled finds a row of the catalogue by its label.
func rowLabelled(label string) (found transaction.CatalogueRow, ok bool) {
	transaction.Catalogue(func(row transaction.CatalogueRow) {
		if row.Label == label {
			found, ok = row, true
		}
	})
	return found, ok
}
