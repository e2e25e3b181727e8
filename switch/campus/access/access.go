// Package access decides who may pass a gate or door (门禁), domain handbook 3.12.
//
// The one idea: a passage is a transaction without money. It has the same identity, is refused for the same card states, is decided once
// and recorded, so that the answer to "who was where" rests on the same proof as the answer to "who paid what".
//
// It grants by permission group, weekday and time. Anti-passback, interlocks and offline lists are not decided here.
package access

import (
	"onecard/switch/campus"
	"onecard/switch/transaction"
)

// New returns the subsystem.
func New() campus.Subsystem {
	return campus.Subsystem{
		Name:  "access",
		Title: "门禁 / access control",
		Routes: []transaction.Route{
			{Kind: transaction.KindPassage, Terminals: []transaction.TerminalType{transaction.TerminalGate}, Decide: pass},
		},
	}
}

// pass: one grant for one of the holder's groups at this minute is enough. A group that has a grant at another time is told so.
func pass(k *transaction.Case) transaction.Outcome {
	entrance, ok := k.Entrance()
	if !ok {
		return transaction.Refuse(transaction.ReasonNoPermission)
	}
	member := false
	for _, grant := range entrance.Grants {
		if k.Holder.Groups&(1<<grant.Group) == 0 {
			continue
		}
		if k.GrantedNow(grant) {
			return transaction.Outcome{}
		}
		member = true
	}
	if member {
		return transaction.Refuse(transaction.ReasonOutsideDoorTime)
	}
	return transaction.Refuse(transaction.ReasonNoPermission)
}
