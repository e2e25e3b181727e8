package transaction

import "context"

// Possible says whether an operation could be carried out as things stand, and does not carry it out: *Refused when not. It is asked before
// somebody is sent to pay for a load elsewhere, or a bank is asked to agree; by the time they have answered it may be another. known: its key
// was seen before, Operate will give the first receipt again.
func (e *Engine) Possible(ctx context.Context, op *Operation, now int64) (known bool, err error) {
	failed := e.do(ctx, func() { known, err = e.couldOperate(op, now) })
	if failed != nil {
		return false, failed
	}
	return known, err
}

func (e *Engine) couldOperate(op *Operation, now int64) (known bool, err error) {
	if _, known = e.state.keys.of[op.Key]; known {
		return true, nil
	}
	row, ok := CatalogueOf(op.Kind)
	if !ok {
		return false, noSuchOperation()
	}
	if err := e.setClock(now); err != nil {
		return false, err
	}
	if !IsAgreement(op.Kind) && e.state.chartEntry(0, "", now) != nil {
		return false, nil // no operation was ever carried out: the first one completes the chart, which agreements do without
	}
	asked := *op
	a := e.act(&asked, 0)
	if !a.identify(&row) || !a.fields(&row) || !row.act(a) || !e.possible(a) {
		return false, a.refusal
	}
	return false, nil
}
