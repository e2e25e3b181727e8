package bankgw

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"onecard/switch/transaction"
)

// Banks is transaction.Bank over several banks, a gateway each. The holder's bank account says which: the longest prefix that fits it. An
// order goes to the same bank as long as the prefixes stay as they are, so a load and its reversal meet the same gateway after a restart
// too.
type Banks struct {
	gateways []*Gateway
	routes   Routes
}

// Routes say whose bank an account is.
type Routes struct {
	configs []Config
	list    []route // longest prefix first; one without a prefix, if there is any, is last
}

type route struct {
	prefix string
	bank   int // of the configurations
}

// RoutesOf are the routes of banks that fit together (see ValidateBanks).
func RoutesOf(configs []Config) Routes {
	r := Routes{configs: configs}
	for i, c := range configs {
		for _, prefix := range c.Prefixes {
			r.list = append(r.list, route{prefix, i})
		}
		if len(c.Prefixes) == 0 {
			r.list = append(r.list, route{"", i})
		}
	}
	slices.SortStableFunc(r.list, func(x, y route) int { return cmp.Compare(len(y.prefix), len(x.prefix)) })
	return r
}

// Of is the bank of an account; nil: none.
func (r *Routes) Of(account uint64) *Config {
	if i := r.find(account); i >= 0 {
		return &r.configs[i]
	}
	return nil
}

// find is the number of an account's bank; -1: none.
func (r *Routes) find(account uint64) int {
	digits := strconv.FormatUint(account, 10)
	for _, to := range r.list {
		if strings.HasPrefix(digits, to.prefix) {
			return to.bank
		}
	}
	return -1
}

// NewBanks prepares a gateway for each bank; nothing is connected before Run. keys are the banks' in the order of configs; events
// are made for each bank by its name. The configurations fit together: see ValidateBanks.
func NewBanks(configs []Config, keys []Keys, submit func(transaction.Request) error, events func(name string) Events, o Options) (*Banks, error) {
	if err := ValidateBanks(configs); err != nil {
		return nil, err
	}
	b := &Banks{routes: RoutesOf(configs)}
	for i, c := range configs {
		g, err := New(c, keys[i], submit, events(c.Name), o)
		if err != nil {
			return nil, fmt.Errorf("银行 / bank %s: %w", c.Name, err)
		}
		b.gateways = append(b.gateways, g)
	}
	return b, nil
}

// IndexedError is what is wrong with one of several banks.
type IndexedError struct {
	Index int
	Err   error
}

func (e IndexedError) Error() string { return fmt.Sprintf("%d: %s", e.Index, e.Err) }
func (e IndexedError) Unwrap() error { return e.Err }

// ValidateBanks checks what must be different between banks: names, prefixes, and that one at most takes the accounts that are no other
// bank's. It joins an IndexedError with a KeyError for each fault.
func ValidateBanks(configs []Config) error {
	var faults []error
	wrong := func(i int, key, format string, args ...any) {
		faults = append(faults, IndexedError{i, KeyError{key, fmt.Sprintf(format, args...)}})
	}
	names, prefixes := map[string]bool{}, map[string]string{}
	for i, c := range configs {
		if names[c.Name] {
			wrong(i, "name", "另一家银行已用 %q / another bank has the name %[1]q", c.Name)
		}
		names[c.Name] = true
		own := c.Prefixes
		if len(own) == 0 {
			own = []string{""}
		}
		for _, prefix := range own {
			switch other, taken := prefixes[prefix]; {
			case taken && prefix == "":
				wrong(i, "prefixes", "只能有一家银行不写前缀,已有 %s / one bank at most has no prefixes, %[1]s has none", other)
			case taken:
				wrong(i, "prefixes", "前缀 %s 已属 %s / prefix %[1]s is %[2]s's", prefix, other)
			}
			prefixes[prefix] = c.Name
		}
	}
	return errors.Join(faults...)
}

// of returns the bank of an account; nil: none.
func (b *Banks) of(account uint64) *Gateway {
	if i := b.routes.find(account); i >= 0 {
		return b.gateways[i]
	}
	return nil
}

// NameOf is the name of an account's bank; "" when it is none of these.
func (b *Banks) NameOf(account uint64) string {
	if g := b.of(account); g != nil {
		return g.config.Name
	}
	return ""
}

// Load asks the holder's bank for money (transaction.Bank). An account that is no bank's is declined with 15. It never blocks.
func (b *Banks) Load(o transaction.LoadOrder) {
	if g := b.of(o.BankAccount); g != nil {
		g.Load(o)
		return
	}
	b.nobody(order{LoadOrder: o})
}

// Reverse takes a load back at the bank that it was asked of (transaction.Bank).
func (b *Banks) Reverse(o transaction.LoadOrder) {
	if g := b.of(o.BankAccount); g != nil {
		g.Reverse(o)
		return
	}
	b.nobody(order{LoadOrder: o, reverse: true})
}

// Withdraw asks the account's bank to pay (transaction.Bank). An account that is no bank's is declined with 15. It never blocks.
func (b *Banks) Withdraw(o transaction.LoadOrder) {
	if g := b.of(o.BankAccount); g != nil {
		g.Withdraw(o)
		return
	}
	b.nobody(order{LoadOrder: o, withdraw: true})
}

// nobody has the first gateway answer for an order: its outcomes are never lost, however busy the owner is.
func (b *Banks) nobody(o order) {
	g := b.gateways[0]
	if !g.handover.giveErrand(errand{nobody: &o}) {
		g.refuseStopped(&o) // as in Gateway.Load
	}
}

// noSuchIssuer is DE 39 for an account that is no bank's.
var noSuchIssuer = transaction.ResponseCode{'1', '5'}

func (g *Gateway) answerForNobody(o *order) {
	switch {
	case o.reverse, o.withdraw && o.Repeat: // the ledger keeps it open, for the bank's return to the configuration
		g.events.fault(faultNoBank)
		return
	case o.withdraw:
		g.events.loadRefused(refusedNoBank)
		g.tell(transaction.KindWithdrawalDeclined, o.Load, noSuchIssuer)
		return
	}
	g.decline(&o.LoadOrder, refusedNoBank, noSuchIssuer)
}

// Ask asks the bank of an account about an agreement, as Gateway.Ask does. An account that is no bank's has none.
func (b *Banks) Ask(ctx context.Context, s Signing) (SigningAnswer, error) {
	g := b.of(s.Account)
	if g == nil {
		return SigningAnswer{}, ErrNoAgreements
	}
	return g.Ask(ctx, s)
}

// LinksUp counts the links of all banks that are signed on.
func (b *Banks) LinksUp() (up int) {
	for _, g := range b.gateways {
		up += g.Status().LinksUp()
	}
	return up
}

// Run runs every gateway until the context ends and each has stopped politely.
func (b *Banks) Run(ctx context.Context) error {
	errs := make([]error, len(b.gateways))
	var running sync.WaitGroup
	for i, g := range b.gateways {
		running.Add(1)
		go func() {
			defer running.Done()
			errs[i] = g.Run(ctx)
		}()
	}
	running.Wait()
	return errors.Join(errs...)
}

// Each visits every bank's gateway in the order of the configuration.
func (b *Banks) Each(visit func(name string, g *Gateway)) {
	for _, g := range b.gateways {
		visit(g.config.Name, g)
	}
}
