package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"onecard/switch/transaction"
)

type receiptShown struct{ Body Receipt }

type slipAsked struct {
	Numbered
	Paper string `query:"paper" enum:"58,80" default:"58" doc:"纸宽,毫米 / width of the paper in millimetres"`
}

type slipAnswer struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

type proofAnswer struct{ Body any }

func (c *Console) registerReceipts(api huma.API) {
	register(c, api, route{
		id: "receipt", method: http.MethodGet, path: "/receipts/{number}", chinese: "凭条", english: "the receipt of an operation", need: readers, tag: "receipts",
	}, func(ctx context.Context, _ person, in *Numbered, n *note) (*receiptShown, error) {
		r, err := c.shownReceipt(ctx, *in, n)
		if err != nil {
			return nil, err
		}
		return &receiptShown{*r}, nil
	})
	register(c, api, route{
		id: "slip", method: http.MethodGet, path: "/receipts/{number}/slip", chinese: "凭条,供打印", english: "a receipt as text for a printer", need: readers, tag: "receipts",
	}, func(ctx context.Context, _ person, in *slipAsked, n *note) (*slipAnswer, error) {
		r, err := c.shownReceipt(ctx, in.Numbered, n)
		if err != nil {
			return nil, err
		}
		paper := Slip58
		if in.Paper == "80" {
			paper = Slip80
		}
		r.Repeated = true
		var b bytes.Buffer
		err = r.Slip(&b, paper)
		return &slipAnswer{"text/plain; charset=utf-8", b.Bytes()}, err
	})
	register(c, api, route{
		id: "proof", method: http.MethodGet, path: "/proofs/{number}", chinese: "记录的凭证(默克尔路径)", english: "inclusion proof of a record", need: readers, tag: "receipts",
	}, func(ctx context.Context, _ person, in *Numbered, n *note) (*proofAnswer, error) {
		n.subject = "record " + in.Number
		sequence, err := in.sequence()
		if err != nil {
			return nil, err
		}
		p, err := c.prove(ctx, sequence)
		if errors.Is(err, ErrNoEntry) {
			return nil, unknownRecord(in.Number)
		}
		return &proofAnswer{p}, err
	})
}

func unknownRecord(number string) *Problem {
	return problem(http.StatusNotFound, "record_known", "账本中没有记录 "+number, "the ledger has no record "+number).at("path.number", number)
}

// shownReceipt is the receipt of an operation, or of a proposal that is still open.
func (c *Console) shownReceipt(ctx context.Context, in Numbered, n *note) (*Receipt, error) {
	n.subject = "record " + in.Number
	sequence, err := in.sequence()
	if err != nil {
		return nil, err
	}
	e, day, err := c.entry(sequence)
	switch {
	case errors.Is(err, ErrNoEntry):
		return nil, unknownRecord(in.Number)
	case err != nil:
		return nil, fmt.Errorf("reading record %d: %w", sequence, err)
	case e.Kind == transaction.KindProposal:
		proposal, ok := transaction.ReadProposal(sequence, day, &e)
		if !ok {
			return nil, fmt.Errorf("reading proposal %d", sequence)
		}
		r := c.openProposal(&proposal).Asked
		return &r, nil
	}
	return c.receipt(ctx, sequence)
}
