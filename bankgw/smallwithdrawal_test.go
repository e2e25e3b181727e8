package bankgw_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// payingBank is the puppet's other half: what it has of one withdrawal. It pays once at most, remembers whether it paid or refused the account,
// and gives every copy that answer, unless its front end could not look. Copies are alike, so the newest stands for all.
type payingBank struct {
	name     string
	features []string
	expiry   time.Duration // withdrawal_expiry

	pending bool // a copy is here that it has not looked at
	refused bool // its front end has refused a copy for its form
	nothing bool // it was asked, and had nothing
	query   *iso8583.BankMessage
	answers []string // of a fair bank, that are due
}

// begin is the bank at the start of a history.
func (b *payingBank) begin(p *puppet) *payingBank {
	began := &payingBank{name: b.name, features: b.features, expiry: b.expiry}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pays = began
	return began
}

func (b *payingBank) String() string {
	if b == nil {
		return ""
	}
	return fmt.Sprintf("pending=%v refused=%v nothing=%v 0600=%v", b.pending, b.refused, b.nothing, b.query != nil)
}

// identity is what a copy of a request must share with the first.
func identity(m *iso8583.BankMessage) string {
	var b strings.Builder
	for _, n := range []int{2, 3, 4, 7, 11, 32, 33, 37, 41, 42, 102} {
		fmt.Fprintf(&b, "%d=%s ", n, m.String(n))
	}
	return b.String()
}

// take keeps what is about a withdrawal. REQUIRES: mu.
func (b *payingBank) take(p *puppet, m *iso8583.BankMessage) bool {
	switch m.MTI() {
	case "0200", "0201":
		if p.load != nil && (m.MTI() == "0200" || identity(m) != identity(p.load)) {
			p.fault = fmt.Errorf("another identity, or not marked as a repeat: %s", banksim.Describe(m))
		}
		if p.load != nil && strings.Contains(b.name, "once") {
			p.fault = errors.New("a bank that is sent nothing twice was sent a second copy")
		}
		p.load, b.pending = m, true
		b.answers = append(b.answers, "0210")
	case "0600":
		b.query = m
		b.answers = append(b.answers, "0610")
	case "0420", "0421":
		p.fault = errors.New("a withdrawal was reversed")
	default:
		return false
	}
	return true
}

// payingActions are those that are possible of a withdrawal, besides what the world always can. REQUIRES: mu of the puppet.
func (w *smallWorld) payingActions() (list []string) {
	p, b := w.puppet, w.pays
	list = []string{"crash"}
	if w.entries()[transaction.KindBankWithdrawal] == 0 {
		list = append(list, "withdraw")
	}
	once := strings.Contains(b.name, "once")
	if b.pending && p.state == 0 && (!once || w.age() < 2) { // a bank that is sent one copy books it before not_found_after, or never
		list = append(list, "bank pays", "bank refuses the account", "bank refuses the message")
	}
	if b.query != nil && p.state == 0 && !b.nothing {
		list = append(list, "bank finds nothing")
	}
	return list
}

// payingAnswers are all that the bank can have said by now. "25" that was said before a single copy was booked arrives before not_found_after or
// never: nothing in a 0610 tells which question it answers (see fresh).
func (w *smallWorld) payingAnswers() (list []string) {
	p, b := w.puppet, w.pays
	if p.load != nil {
		list = append(list, "0210/96")
	}
	if b.refused {
		list = append(list, "0210/30")
	}
	outcome := map[banksim.State]string{banksim.Paid: "00", banksim.Declined: "51"}[p.state]
	if outcome != "" && p.load != nil {
		list = append(list, "0210/"+outcome)
	}
	if b.query == nil {
		return list
	}
	list = append(list, "0610/96")
	if outcome != "" {
		list = append(list, "0610/"+outcome)
	}
	if fresh := p.state == 0 || w.age() < 2 || !strings.Contains(b.name, "once"); b.nothing && fresh {
		list = append(list, "0610/25")
	}
	return list
}

// tellQuery answers a 0600: a code of the question, or what the withdrawal was answered.
func (p *puppet) tellQuery(code string) {
	m := p.answer(p.pays.query, code)
	if code == "00" || code == "51" {
		m.Set(39, "00").Set(44, code)
	}
	p.send(m)
}

// askWithdrawal is the desk's.
func (w *smallWorld) askWithdrawal() {
	_, _ = w.withdraw(proofAmount) // a machine that dies in it says so
}

// safePaying is what holds in every state of a withdrawal. REQUIRES: mu of the puppet.
func (w *smallWorld) safePaying(b *books, k entries) error {
	promised := money.Fen(0)
	if b.opened > 0 {
		promised = proofAmount
	}
	paid, released := k[transaction.KindWithdrawalPaid]+k[transaction.KindWithdrawalCharged], k[transaction.KindWithdrawalDeclined]+k[transaction.KindWithdrawalReturned]
	switch {
	case w.puppet.fault != nil:
		return w.puppet.fault
	case b.sum != 0 || b.difference != 0 || b.suspense != 0 || b.transit != -b.credited || b.held != 0:
		return fmt.Errorf("the books do not balance: %+v", *b)
	case b.promised != promised || b.openHolds != b.opened:
		return fmt.Errorf("%s on hold in %d holds for %d open withdrawals", b.promised, b.openHolds, b.opened)
	case paid+released > 1 || paid > 0 != (b.credited == -proofAmount) || b.credited != 0 && b.credited != -proofAmount:
		return fmt.Errorf("paid %d times, released %d times, %s moved", paid, released, b.credited)
	case paid > 0 && w.puppet.state != banksim.Paid:
		return errors.New("posted, and the bank has not paid")
	case released > 0 && w.puppet.state == banksim.Paid:
		return errors.New("released, and the bank has paid")
	}
	return nil
}

// fairPaying continues as a bank should: the line stands, and what comes is paid, or answered as it was, at once. What was given up two persons
// settle by its file.
func (w *smallWorld) fairPaying() error {
	p, b := w.puppet, w.pays
	p.mu.Lock()
	p.cut, b.answers = false, nil
	p.mu.Unlock()
	for range fairTicks {
		w.do(move{action: "time"})
		p.mu.Lock()
		for _, mti := range b.answers {
			if p.state == 0 && mti == "0210" {
				p.state = banksim.Paid
			}
			code := map[banksim.State]string{0: "25", banksim.Paid: "00", banksim.Declined: "51"}[p.state]
			if mti == "0210" {
				p.say("0210/" + code)
			} else {
				p.tellQuery(code)
			}
		}
		b.answers = nil
		p.mu.Unlock()
		w.rest()
		if k := w.entries(); k[transaction.KindWithdrawalManual] > 0 && w.look().opened > 0 {
			if err := w.byFile(); err != nil {
				return err
			}
		}
		if w.settled() {
			break
		}
	}
	if err := w.safe(); err != nil {
		return err
	}
	switch b := w.look(); {
	case (b.credited != 0) != (p.state == banksim.Paid):
		return fmt.Errorf("in the end the bank's books say %q and %s has moved", p.state, b.credited)
	case b.openHolds != 0 || b.opened != 0 || !w.settled():
		return fmt.Errorf("in the end %d withdrawals are open, %d holds: %+v", b.opened, b.openHolds, w.life.gateway.Status())
	}
	return nil
}

// byFile is what two persons do: the bank's file says that it has paid, or that it has not and will not.
func (w *smallWorld) byFile() error {
	p := w.puppet
	p.mu.Lock()
	paid := p.state == banksim.Paid
	w.pays.pending = false
	p.mu.Unlock()
	number := uint64(0)
	w.disk.mu.Lock()
	for _, block := range w.disk.blocks[w.before:] {
		_ = block.Each(func(sequence uint64, e *ledger.Entry) error {
			if e.Kind == transaction.KindBankWithdrawal {
				number = sequence
			}
			return nil
		})
	}
	w.disk.mu.Unlock()
	kind := transaction.KindWithdrawalReturned
	if paid {
		kind = transaction.KindWithdrawalCharged
	}
	ctx, now := context.Background(), time.Now().UnixMicro()
	for code, role := range map[string]transaction.Role{"wang": transaction.RoleAccountant, "zhao": transaction.RoleApprover} {
		if err := w.life.engine.SetOperator(ctx, transaction.OperatorRow{Code: code, Roles: role, TokenHash: [32]byte{1}}, "root", now); err != nil {
			return err
		}
	}
	receipt, err := w.life.engine.Operate(ctx, &transaction.Operation{
		Kind: kind, Key: transaction.Key{9}, Operator: "wang", Original: number, Amount: proofAmount, Document: "file", Reason: "file",
		Evidence: &transaction.Evidence{Kind: transaction.KindBankWithdrawal, Holder: 1, Amount: proofAmount},
	}, now)
	if err == nil {
		_, err = w.life.engine.Approve(ctx, receipt.Sequence, "zhao", now)
	}
	w.rest()
	return err
}

// payingBanks are the spaces of a withdrawal.
func payingBanks() []*payingBank {
	return []*payingBank{
		{name: "remembers what it has answered", features: []string{bankgw.FeatureWithdrawal}},
		{name: "remembers, and can be asked", features: []string{bankgw.FeatureWithdrawal, bankgw.FeatureQuery}},
		{name: "remembers, and is given up: MANUAL", features: []string{bankgw.FeatureWithdrawal}, expiry: 3 * tick},
		{name: "is sent a withdrawal once, and can be asked", features: []string{bankgw.FeatureWithdrawalOnce, bankgw.FeatureQuery}},
	}
}

// TestProofOfAWithdrawal searches everything that can happen to one withdrawal, as TestProof does for a load (make proof-bank): never both paid
// and released, never paid twice, and in the end what the bank's books say.
func TestProofOfAWithdrawal(t *testing.T) {
	out := os.Getenv("ONECARD_OUT")
	site := proofSite(t)
	var all []counts
	for _, bank := range payingBanks() {
		s := &search{site: site, wrong: &wrongdoing{}, pays: bank}
		if out == "" {
			s.depth = shortDepth - 1 // four banks: depth 3 takes half a minute
		}
		began := time.Now()
		c, err := s.run(t)
		require.NoError(t, err)
		require.Equal(t, out != "", c.Closed)
		t.Logf("提现全状态 one withdrawal, a bank that %s: %d 状态 states  %d 转移 transitions (%d 含断电 with a death)  深度 depth %d  闭合 closed %v  %s",
			c.Bank, c.States, c.Transitions, c.Deaths, c.Depth, c.Closed, time.Since(began).Round(time.Second))
		all = append(all, c)
	}
	noteProof(t, "one_withdrawal", all)
}

var payingWrongdoings = []struct {
	wrongdoing
	bank int // of payingBanks
}{
	{wrongdoing: wrongdoing{
		name: "a time-out is taken for a refusal", found: "bank",
		told: func(_ *smallWorld, r *transaction.Request) bool {
			if r.Kind == transaction.KindWithdrawalUnknown {
				r.Kind = transaction.KindWithdrawalDeclined
			}
			return false
		},
	}},
	{wrongdoing: wrongdoing{
		name: "a withdrawal is forgotten in a restart", found: "in the end",
		ordered: func(_ *smallWorld, o transaction.LoadOrder, _ bool) bool { return o.Repeat },
	}},
	{wrongdoing: wrongdoing{
		name: "what may have left is sent as if it never had", found: "released", atOnce: true,
		ordered: func(w *smallWorld, o transaction.LoadOrder, _ bool) bool {
			if o.Repeat {
				o.Repeat = false
				w.life.gateway.Withdraw(o)
			}
			return o.Repeat
		},
	}},
	{bank: 3, wrongdoing: wrongdoing{
		name: "not found is believed while the copy is under way", found: "released", after: []move{{action: "withdraw"}, {action: "time"}},
		configure: func(c *bankgw.Config) { c.NotFoundAfter = 0 },
	}},
	{wrongdoing: wrongdoing{
		name: "any answer is taken for a payment", found: "posted",
		told: func(_ *smallWorld, r *transaction.Request) bool {
			if r.Kind == transaction.KindWithdrawalDeclined && r.BankCode != transaction.BankCannotOperate {
				r.Kind = transaction.KindWithdrawalPaid
			}
			return false
		},
	}},
}

// TestProofOfAWithdrawalNotices: each wrongdoing is found, in words that fit it.
func TestProofOfAWithdrawalNotices(t *testing.T) {
	site := proofSite(t)
	for i := range payingWrongdoings {
		m := &payingWrongdoings[i]
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			s := &search{site: site, wrong: &m.wrongdoing, depth: 8, pays: payingBanks()[m.bank]}
			c, err := s.run(t)
			require.Error(t, err, "%+v", c)
			require.Contains(t, err.Error(), m.found)
			t.Logf("found in state %d, depth %d: %s", c.States, c.Depth, strings.Split(err.Error(), "\n")[0])
		})
	}
}

// withdraw asks for a withdrawal at a desk, and returns what was written.
func (w *world) withdraw(amount money.Fen) (number uint64, err error) {
	ctx, now := context.Background(), time.Now().UnixMicro()
	if w.operates++; w.operates == 1 {
		if err := w.life.engine.SetOperator(ctx, transaction.OperatorRow{Code: "li", Roles: transaction.RoleCashier, TokenHash: [32]byte{1}}, "root", now); err != nil {
			return 0, err
		}
	}
	op := transaction.Operation{Kind: transaction.KindBankWithdrawal, Key: transaction.Key{1, byte(w.operates), byte(w.operates >> 8)}, Operator: "li", Holder: "20260001", Amount: amount}
	receipt, err := w.life.engine.Operate(ctx, &op, now)
	return receipt.Sequence, err
}
