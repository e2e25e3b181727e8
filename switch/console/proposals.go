package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"onecard/switch/transaction"
)

// Proposal is an operation that waits for a second person, or what became of it.
type Proposal struct {
	Number string   `json:"number"`
	Status string   `json:"status" enum:"open,approved,closed,decided" doc:"closed: rejected or withdrawn; decided: so long ago that how is not remembered, the statement shows it"`
	Asked  Receipt  `json:"asked" doc:"what was asked; nothing has been moved by it"`
	Posted *Receipt `json:"posted,omitempty" doc:"approved: what it did"`
}

// Numbered names an entry in a path.
type Numbered struct {
	Number string `path:"number" pattern:"^[0-9]{1,20}$" doc:"编号 / number, as on the receipt"`
}

func (n Numbered) sequence() (uint64, error) {
	sequence, err := strconv.ParseUint(n.Number, 10, 64)
	if err != nil || sequence == 0 {
		return 0, problem(http.StatusNotFound, "number_known", "没有编号 "+n.Number, "there is no number "+n.Number).at("path.number", n.Number)
	}
	return sequence, nil
}

// Paged asks for one page: what comes after a token of the page before.
type Paged struct {
	After string `query:"after" pattern:"^[0-9]{1,20}$" doc:"上一页的 next / next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"每页条数 / how many at most"`
}

func (p Paged) after() uint64 {
	after, _ := strconv.ParseUint(p.After, 10, 64) // the schema has seen to it; what overflows lies behind everything
	return after
}

type proposalsAnswer struct {
	Body struct {
		Proposals []Proposal `json:"proposals"`
		Next      string     `json:"next,omitempty" doc:"give it as after for the next page; absent on the last one"`
	}
}

type proposalAnswer struct{ Body Proposal }

type decisionAsked struct {
	Idempotency
	Numbered
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"200" doc:"事由 / why"`
	}
}

type refusalAsked struct {
	Idempotency
	Numbered
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"事由 / why"`
	}
}

func (c *Console) registerProposals(api huma.API) {
	register(c, api, route{
		id: "proposals", method: http.MethodGet, path: "/proposals", chinese: "待审业务", english: "what waits for a second person", need: readers, tag: "proposals",
	}, c.listProposals)
	register(c, api, route{
		id: "proposal", method: http.MethodGet, path: "/proposals/{number}", chinese: "一笔待审业务", english: "one proposal", need: readers, tag: "proposals",
	}, c.showProposal)
	register(c, api, route{
		id: "approve", method: http.MethodPost, path: "/proposals/{number}/approve", chinese: "审核通过", english: "approve: a second person", need: transaction.RoleApprover,
		tag: "proposals", status: http.StatusCreated,
	}, c.approve)
	register(c, api, route{
		id: "reject", method: http.MethodPost, path: "/proposals/{number}/reject", chinese: "驳回,或撤回自己提交的", english: "reject, or withdraw one's own", need: readers, tag: "proposals",
	}, c.reject)
}

func (c *Console) listProposals(ctx context.Context, _ person, in *Paged, _ *note) (*proposalsAnswer, error) {
	var page []transaction.Proposal
	more := false
	err := c.core.Look(ctx, func(s *transaction.State) {
		for _, p := range s.Proposals() {
			if p.Number <= in.after() {
				continue
			}
			if more = len(page) == in.Limit; more {
				break
			}
			page = append(page, p)
		}
	})
	a := &proposalsAnswer{}
	a.Body.Proposals = []Proposal{}
	for i := range page {
		a.Body.Proposals = append(a.Body.Proposals, c.openProposal(&page[i]))
	}
	if more {
		a.Body.Next = a.Body.Proposals[len(page)-1].Number
	}
	return a, err
}

func (c *Console) openProposal(p *transaction.Proposal) Proposal {
	asked := transaction.Receipt{Sequence: p.Number, Kind: p.Operation.Kind, Time: p.Time, Day: p.Day, Pending: true, Amount: p.Operation.Amount}
	r := c.pendingReceipt(&asked, &p.Operation)
	return Proposal{Number: r.Number, Status: "open", Asked: r}
}

// found is a proposal and what became of it.
type found struct {
	proposal transaction.Proposal
	open     bool
	posted   uint64 // the entry that it made; 0 none
	old      bool   // its name is forgotten: what became of it is in the ledger, not in the state
}

func (c *Console) findProposal(ctx context.Context, number uint64) (found, error) {
	var f found
	unknown := problem(http.StatusNotFound, "proposal_known", fmt.Sprintf("没有编号 %d 的待审业务", number), fmt.Sprintf("there is no proposal %d", number)).at("path.number", strconv.FormatUint(number, 10))
	e, day, err := c.entry(number)
	if errors.Is(err, ErrNoEntry) {
		return f, unknown
	} else if err != nil {
		return f, err
	}
	ok := false
	if f.proposal, ok = transaction.ReadProposal(number, day, &e); !ok {
		return f, unknown
	}
	return f, c.core.Look(ctx, func(s *transaction.State) {
		f.open = s.ProposalOpen(number)
		sequence, there := s.KeySequence(f.proposal.Operation.Key)
		if there && sequence != number {
			f.posted = sequence
		}
		f.old = !there
	})
}

func (c *Console) showProposal(ctx context.Context, _ person, in *Numbered, n *note) (*proposalAnswer, error) {
	number, err := in.sequence()
	if err != nil {
		return nil, err
	}
	n.subject = "proposal " + in.Number
	f, err := c.findProposal(ctx, number)
	if err != nil {
		return nil, err
	}
	a := &proposalAnswer{c.openProposal(&f.proposal)}
	switch {
	case f.open:
	case f.old:
		a.Body.Status = "decided"
	case f.posted == 0:
		a.Body.Status = "closed"
	default:
		a.Body.Status = "approved"
		if a.Body.Posted, err = c.receipt(ctx, f.posted); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// approve carries a proposal out. An approver whose answer was lost asks again and gets the receipt.
func (c *Console) approve(ctx context.Context, who person, in *decisionAsked, n *note) (*receiptAnswer, error) {
	number, err := in.sequence()
	if err != nil {
		return nil, err
	}
	n.subject, n.reason = "proposal "+in.Number, in.Body.Reason
	f, err := c.findProposal(ctx, number)
	if err != nil {
		return nil, err
	}
	done, err := c.core.Approve(ctx, number, who.code, c.clock())
	var refused *transaction.Refused
	if errors.As(err, &refused) && refused.Rule == ruleProposalOpen {
		return c.approvedBefore(ctx, who, number, n)
	}
	if err != nil {
		return nil, err
	}
	return c.answer(ctx, &done, &f.proposal.Operation, n)
}

func (c *Console) approvedBefore(ctx context.Context, who person, number uint64, n *note) (*receiptAnswer, error) {
	f, err := c.findProposal(ctx, number)
	if err != nil {
		return nil, err
	}
	if f.old {
		return nil, decidedLongAgo()
	}
	if f.posted == 0 {
		return nil, problem(http.StatusConflict, "proposal_closed", "该业务已驳回或撤回", "the proposal was rejected or withdrawn")
	}
	r, err := c.receipt(ctx, f.posted)
	if err != nil {
		return nil, err
	}
	if r.Approver != who.code {
		p := problem(http.StatusConflict, "proposal_decided", "该业务已由 "+r.Approver+" 审核通过", "the proposal was approved by "+r.Approver+" already")
		p.First = r
		return nil, p
	}
	r.Repeated, n.record, n.outcome = true, f.posted, "repeated"
	return &receiptAnswer{http.StatusOK, *r}, nil
}

// decidedLongAgo must not say how: whoever was told that it was rejected would ask for it once more.
func decidedLongAgo() *Problem {
	return problem(http.StatusConflict, "proposal_decided", "该业务早已审核或驳回,结果请查流水,勿重复提交", "the proposal was decided long ago: look at the statement for how, and do not ask for it once more")
}

// reject closes a proposal without carrying it out. One that is closed already stays so: asking again is no fault.
func (c *Console) reject(ctx context.Context, who person, in *refusalAsked, n *note) (*proposalAnswer, error) {
	number, err := in.sequence()
	if err != nil {
		return nil, err
	}
	n.subject, n.reason, n.outcome, n.record = "proposal "+in.Number, in.Body.Reason, "done", number
	f, err := c.findProposal(ctx, number)
	if err != nil {
		return nil, err
	}
	err = c.core.Reject(ctx, number, who.code, in.Body.Reason, c.clock())
	var refused *transaction.Refused
	if errors.As(err, &refused) && refused.Rule == ruleProposalOpen {
		if f, err = c.findProposal(ctx, number); err == nil && f.old {
			err = decidedLongAgo()
		} else if err == nil && f.posted != 0 {
			err = problem(http.StatusConflict, "proposal_decided", "该业务已审核通过,不能驳回", "the proposal was approved already and cannot be rejected")
		}
		n.outcome = "repeated"
	}
	if err != nil {
		return nil, err
	}
	a := &proposalAnswer{c.openProposal(&f.proposal)}
	a.Body.Status = "closed"
	return a, nil
}
