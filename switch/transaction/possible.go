package transaction

import "context"

// Possible says whether an operation could be carried out as things stand, and does not carry it out: *Refused when not. It is asked before
// somebody is sent to pay for a load elsewhere; by the time he has paid the answer may be another.
func (e *Engine) Possible(ctx context.Context, op *Operation, now int64) error {
	row, ok := CatalogueOf(op.Kind)
	if !ok {
		return &Refused{"kind", "kind_known", "没有这种业务", "there is no such operation"}
	}
	var refusal *Refused
	err := e.do(ctx, func() {
		if e.state.chartEntry(0, "", now) != nil {
			return // no operation was ever carried out: the first one completes the chart
		}
		asked := *op
		a := e.act(&asked, 0)
		a.now = now
		if !a.identify(&row) || !a.fields(&row) || !row.act(a) || !e.possible(a) {
			refusal = a.refusal
		}
	})
	if err == nil && refusal != nil {
		err = refusal
	}
	return err
}
