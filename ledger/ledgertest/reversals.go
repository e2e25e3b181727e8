package ledgertest

// reversal checks a 0400 against its original: only with it and equal to it, applied once, or a tombstone for one that has not come.
func (a *Auditor) reversal() {
	q, ok := a.readRequest(classReversal)
	if ok && q.automatic {
		a.malformedPayload()
	}
	if !ok || q.automatic {
		return
	}
	earlier, again := a.requests.owner(q.key)
	originalKey, _ := identityKey(classOriginal, q.terminal, q.batch, q.trace)
	number, found := a.requests.owner(originalKey)
	i := a.appendRow(&q, phaseNothing)
	switch q.reason {
	case reasonDuplicateDiffers, reasonOriginalTooOld:
		a.noMoney()
		return
	case reasonNone:
		a.giveBack(&q, i, number, found)
	default:
		a.noMoney()
		a.checkRefusedReversal(&q, originalKey, number, found)
	}
	if again {
		a.decidedTwice(&q, a.requests.at(earlier), a.requests.at(i))
		return
	}
	a.requests.own(i)
}

// checkRefusedReversal: a reversal that gave nothing back must say why, and it must be so.
func (a *Auditor) checkRefusedReversal(q *request, originalKey uint64, number uint32, found bool) {
	if q.reason == reasonOriginalUnknown {
		if found {
			a.note("%s:称原交易未到,但条目 %d 已有", "%s: its original is said not to have come, but entry %d is it", a.who(q), a.requests.at(number).sequence)
			return
		}
		stone := *q
		stone.key = originalKey
		a.requests.own(a.appendRow(&stone, phaseTombstone))
		return
	}
	if !found {
		a.note("%s:冲正称有原交易,但此前无此流水", "%s: the reversal is said to have an original, but there is none", a.who(q))
		return
	}
	original := a.requests.at(number)
	amount, _ := a.requests.amounts(number)
	sameCard := a.cardNumber(original.card) == a.cardNumber(q.card)
	wrong := false
	switch q.reason {
	case reasonAlreadyReversed:
		wrong = original.phase != phaseReversed && original.phase != phaseTombstone
	case reasonOriginalRefused:
		wrong = original.phase != phaseNothing && original.phase != phaseReversing && original.phase != phaseTombstone
	case reasonOriginalCard:
		wrong = sameCard
	case reasonOriginalAmount:
		wrong = amount == q.amount
	}
	if wrong {
		a.note("%s:冲正未退款的理由 %d 与原交易(条目 %d,%s)不符", "%s: reason %d for giving nothing back does not fit the original (entry %d, %s)", a.who(q), q.reason, original.sequence, yuan(amount))
	}
}

// giveBack checks a reversal that was carried out.
func (a *Auditor) giveBack(q *request, i, number uint32, found bool) {
	if !found {
		a.note("%s:无原交易却退款 %s", "%s: %s given back without an original", a.who(q), yuan(q.amount))
		return
	}
	original := a.requests.at(number)
	amount, subsidy := a.requests.amounts(number)
	if q.original != original.sequence || q.amount != amount || a.cardNumber(q.card) != a.cardNumber(original.card) || original.card >= strangerBase {
		a.note("%s:冲正 %s 与原交易(条目 %d,%s)不符", "%s: the reversal of %s is not of its original (entry %d, %s)", a.who(q), yuan(q.amount), original.sequence, yuan(amount))
	}
	if original.card == 0 || original.card >= strangerBase {
		return
	}
	e, h := &a.entry, a.holderOf(original.card)
	payable := a.campus.merchants[a.campus.terminals[q.terminal-1].merchant].payable
	right := false
	switch original.phase {
	case phaseMoved:
		a.requests.at(i).phase = phaseMoved
		price, priced := a.prices[number]
		if !priced {
			price.list = amount
		}
		if split := a.splits[number]; split != nil {
			right = a.givesBack(split, h)
		} else {
			right = e.sameLegs(append(a.priceLegs(&price, payable, -1), leg{h.main, price.payable() - subsidy}, leg{h.subsidy, subsidy})...)
		}
		right = right && q.price.payable() == price.payable()
		a.uncount(number, h, &price)
	case phaseLoadOpen:
		original.code = [2]byte{'2', '2'} // who still waits for the load hears this
		a.setLoad(original.sequence, loadReversing)
		right = len(e.legs) == 0
	case phaseCredited:
		a.requests.at(i).phase = phaseMoved
		a.loads[original.sequence] = load{number, amount, loadReturning}
		h.uncountLoad(original.sequence)
		right = e.sameLegs(leg{h.main, -amount}, leg{a.campus.transit, amount})
	case phaseReversed:
		a.duplicates[q.key] = struct{}{}
		a.note("%s:条目 %d 的 %s 被冲正两次", "%[1]s: entry %[2]d of %[3]s was reversed twice", a.who(q), original.sequence, yuan(amount))
		right = true
	}
	if !right {
		a.note("%s:冲正的分录与原交易(条目 %d,%s)不相反", "%s: the legs of the reversal are not those of its original (entry %d, %s) turned round", a.who(q), original.sequence, yuan(amount))
	}
	original.phase = phaseReversed
	a.noHold()
	a.checkBalanceTold(q)
}
