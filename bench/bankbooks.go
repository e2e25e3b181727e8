package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"onecard/bankgw/banksim"
	"onecard/ledger/money"
)

// ourLoad is what the ledger says of one load, or of one withdrawal, read from the outside (onecard feed).
type ourLoad struct {
	Amount    money.Fen
	Asked     time.Time
	Refused   string // why it was not even asked for, or declined; "" otherwise
	Outcome   string // load_confirmed, load_declined or load_unknown; withdrawal_paid or withdrawal_declined; "" none yet
	OutcomeAt time.Time
	Code      string // of the outcome
	Reversed  string // code of the reversal's answer; "" none
	Returned  bool   // a terminal took the money back out of the purse
	Cancelled bool   // a terminal gave it up before the bank had answered
	Late      bool   // an answer came when it was being taken back
	known     bool   // its own entry was read

	Withdrawal bool
	UnknownAt  time.Time // when it was said that the bank had not answered a withdrawal; zero: it had
	GivenUp    bool      // a withdrawal is asked about no more
}

// credited is what the card has of it in the end: of a withdrawal less than nothing.
func (l *ourLoad) credited() money.Fen {
	if l.Withdrawal && l.Outcome == "withdrawal_paid" {
		return -l.Amount
	}
	if l.Outcome == "load_confirmed" && !l.Returned {
		return l.Amount
	}
	return 0
}

// ended says that nothing is owed to the bank or expected of it.
func (l *ourLoad) ended() bool {
	switch {
	case l.Withdrawal:
		return l.Outcome != ""
	case l.Refused != "" || l.Outcome == "load_declined":
		return true
	case l.Outcome == "load_confirmed" && !l.Returned:
		return true
	}
	return l.Reversed != ""
}

// feedLine is one record as onecard feed prints it.
type feedLine struct {
	Sequence  uint64    `json:"sequence"`
	Reference string    `json:"reference"`
	Time      time.Time `json:"time"`
	Kind      string    `json:"kind"`
	Amount    money.Fen `json:"amount_fen"`
	Main      money.Fen `json:"main_fen"`
	Code      string    `json:"code"`
	Reason    string    `json:"reason"`
	Original  uint64    `json:"original"`
	Load      uint64    `json:"load"`
}

// ourLoads reads every load and every withdrawal out of a stopped switch's ledger, by its reference (DE 37).
func (s *site) ourLoads(ctx context.Context) (map[string]*ourLoad, error) {
	out, err := exec.CommandContext(ctx, s.binary, "feed", "--data", s.path("data"), "--name", "bankchaos", "--from", "1").Output()
	if err != nil {
		return nil, fmt.Errorf("reading the ledger / onecard feed: %w", err)
	}
	loads := make(map[string]*ourLoad)
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		var f feedLine
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			return nil, fmt.Errorf("reading the ledger / onecard feed: %w", err)
		}
		f.apply(loads)
	}
	return loads, lines.Err()
}

// apply takes a record to its load.
func (f *feedLine) apply(loads map[string]*ourLoad) {
	of := func(sequence uint64) *ourLoad {
		reference := fmt.Sprintf("%012d", sequence)
		if loads[reference] == nil {
			loads[reference] = new(ourLoad)
		}
		return loads[reference]
	}
	switch f.Kind {
	case "load":
		l := of(f.Sequence)
		l.known, l.Amount, l.Asked = true, f.Amount, f.Time
		if f.Reason != "none" {
			l.Refused = f.Reason
		}
	case "load_confirmed", "load_declined", "load_unknown":
		l := of(f.Load)
		l.Outcome, l.OutcomeAt, l.Code = f.Kind, f.Time, f.Code
	case "load_reversed":
		of(f.Load).Reversed = f.Code
	case "bank_withdrawal":
		l := of(f.Sequence)
		l.known, l.Withdrawal, l.Amount, l.Asked = true, true, f.Amount, f.Time
	case "withdrawal_paid", "withdrawal_declined":
		l := of(f.Load)
		l.Outcome, l.OutcomeAt, l.Code = f.Kind, f.Time, f.Code
	case "withdrawal_unknown":
		of(f.Load).UnknownAt = f.Time
	case "withdrawal_manual":
		of(f.Load).GivenUp = true
	case "withdrawal_late", "load_late":
		of(f.Load).Late = true
	case "reversal":
		original := fmt.Sprintf("%012d", f.Original)
		if l := loads[original]; l != nil && f.Code == "00" && f.Reason == "none" {
			l.Returned, l.Cancelled = f.Main > 0, f.Main == 0
		}
	}
}

// bankBook is one account that a bank gives of a day's loads: what it holds of each, by reference (DE 37), in fen.
type bankBook struct {
	Name string
	Held map[string]money.Fen
}

// bankBooks are all the accounts that the bank gives of itself, each of which must agree with our ledger, load by load: its own records, and
// the files of its days.
func bankBooks(bank *banksim.Bank) ([]bankBook, error) {
	own, days := bank.Records(), make(map[uint32]bool)
	for i := range own {
		days[own[i].Debit.Day], days[own[i].Return.Day] = true, true
	}
	delete(days, 0) // declined, or never given back
	files := make(map[string]money.Fen)
	for day := range days {
		text, err := bank.File(day, banksim.FormatA)
		if err == nil {
			err = readBankFile(files, text)
		}
		if err != nil {
			return nil, fmt.Errorf("对账文件 / the bank's file: %w", err)
		}
	}
	return []bankBook{{"银行账簿 the bank's records", heldBy(own)}, {"对账文件 the bank's files", files}}, nil
}

// heldBy is what the bank's records say that it keeps; what it has paid out is less than nothing.
func heldBy(records []banksim.Record) map[string]money.Fen {
	held := make(map[string]money.Fen)
	for i := range records {
		switch records[i].State {
		case banksim.Debited:
			held[records[i].Reference] += records[i].Amount
		case banksim.Paid:
			held[records[i].Reference] -= records[i].Amount
		}
	}
	return held
}

// readBankFile adds up what a file in format A (wire handbook 5.2) says that the bank keeps of each load:
//
//	D|type 01 load, 02 reversal, 03 withdrawal|campus account|bank card|school seq|bank seq|fen|time|rc
func readBankFile(held map[string]money.Fen, text []byte) error {
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "|")
		if f[0] != "D" {
			continue
		}
		if len(f) != 9 {
			return fmt.Errorf("line %q", line)
		}
		fen, err := strconv.ParseInt(f[6], 10, 64)
		if err != nil {
			return fmt.Errorf("line %q: %w", line, err)
		}
		reference := fmt.Sprintf("%012s", f[4])
		switch {
		case f[8] != "00":
		case f[1] == "01":
			held[reference] += money.Fen(fen)
		case f[1] == "02" || f[1] == "03":
			held[reference] -= money.Fen(fen)
		}
	}
	maps.DeleteFunc(held, func(_ string, fen money.Fen) bool { return fen == 0 })
	return nil
}

// difference is a load of which two books say different things.
type difference struct {
	Book      string    `json:"book"`
	Reference string    `json:"reference"`
	Ours      money.Fen `json:"card_credited_fen"`
	Theirs    money.Fen `json:"bank_holds_fen"`
	Text      string    `json:"text"`
}

// compare holds our loads against a book of the bank, both ways.
func compare(loads map[string]*ourLoad, book *bankBook) (found []difference) {
	add := func(reference string, ours, theirs money.Fen, text string) {
		found = append(found, difference{book.Name, reference, ours, theirs, text})
	}
	for reference, l := range loads {
		switch credited, held := l.credited(), book.Held[reference]; {
		case !l.known:
			add(reference, 0, held, "有结果而无圈存 / an outcome of a load that the ledger does not have")
		case !l.ended():
			add(reference, credited, held, "尚未了结 / has not ended: "+l.path(nil))
		case credited != held:
			add(reference, credited, held, "金额不符 / they differ: "+l.path(nil))
		}
	}
	for reference, held := range book.Held {
		if loads[reference] == nil {
			add(reference, 0, held, "账本中没有 / the ledger does not have it")
		}
	}
	slices.SortFunc(found, func(a, b difference) int { return bytes.Compare([]byte(a.Reference), []byte(b.Reference)) })
	return found
}

// The ways that a load can take, in the order of the table.
const (
	pathConfirmed      = "confirmed"
	pathTakenBack      = "confirmed, then taken back by the terminal"
	pathDeclined       = "declined by the bank"
	pathNotSent        = "not sent: no line, no room, cut-over or stopping"
	pathRefused        = "refused by the switch's own rules"
	pathUnknown        = "unknown in time, then reversed"
	pathUnknownNothing = "unknown in time, the bank had nothing (25)"
	pathRestart        = "unknown by a restart, then reversed"
	pathRestartNothing = "unknown by a restart, the bank had nothing (25)"
	pathTerminal       = "given up by the terminal, then reversed"
	pathTerminalNone   = "given up by the terminal, the bank had nothing (25)"
	pathOpen           = "open"

	pathPaid          = "withdrawal: paid"
	pathPaidLater     = "withdrawal: silence, asked again, then paid"
	pathPaidRestart   = "withdrawal: unknown by a restart, asked again, then paid"
	pathUnpaid        = "withdrawal: declined by the bank"
	pathUnpaidLater   = "withdrawal: silence, asked again, then declined"
	pathUnpaidRestart = "withdrawal: unknown by a restart, asked again, then declined"
	pathUnpaidNotSent = "withdrawal: not sent: no line, no room, cut-over or stopping"
	pathGivenUp       = "withdrawal: given up"
)

var paths = []struct{ name, zh string }{
	{pathConfirmed, "即时确认"},
	{pathTakenBack, "确认后终端冲正"},
	{pathDeclined, "银行拒绝"},
	{pathNotSent, "未发出"},
	{pathRefused, "本机拒绝"},
	{pathUnknown, "超时后冲正"},
	{pathUnknownNothing, "超时,银行无此笔"},
	{pathRestart, "重启后冲正"},
	{pathRestartNothing, "重启,银行无此笔"},
	{pathTerminal, "终端放弃后冲正"},
	{pathTerminalNone, "终端放弃,银行无此笔"},
	{pathOpen, "未了结"},
	{pathPaid, "提现:即时付款"},
	{pathPaidLater, "提现:未答复,续问后付款"},
	{pathPaidRestart, "提现:重启,续问后付款"},
	{pathUnpaid, "提现:银行拒绝"},
	{pathUnpaidLater, "提现:未答复,续问后拒绝"},
	{pathUnpaidRestart, "提现:重启,续问后拒绝"},
	{pathUnpaidNotSent, "提现:未发出"},
	{pathGivenUp, "提现:转人工"},
}

// bankNotFound is DE 39 of a reversal whose original the bank does not have.
const bankNotFound = "25"

// notSentCodes are what a load is declined with when it never left the house: 91 no line or no room, 90 the bank turns its day.
var notSentCodes = []string{"90", "91"}

// path says which way a load went. kills are the moments at which the switch was killed.
func (l *ourLoad) path(kills []time.Time) string {
	if l.Withdrawal {
		return l.withdrawalPath(kills)
	}
	notFound := l.Reversed == bankNotFound
	pick := func(reversed, nothing string) string {
		switch {
		case l.Reversed == "":
			return pathOpen
		case notFound:
			return nothing
		}
		return reversed
	}
	switch {
	case l.Refused != "":
		return pathRefused
	case l.Outcome == "load_confirmed" && l.Returned:
		return pathTakenBack
	case l.Outcome == "load_confirmed":
		return pathConfirmed
	case l.Outcome == "load_declined" && slices.Contains(notSentCodes, l.Code):
		return pathNotSent
	case l.Outcome == "load_declined":
		return pathDeclined
	case l.Outcome == "load_unknown" && slices.ContainsFunc(kills, func(k time.Time) bool { return l.Asked.Before(k) && l.OutcomeAt.After(k) }):
		return pick(pathRestart, pathRestartNothing)
	case l.Outcome == "load_unknown":
		return pick(pathUnknown, pathUnknownNothing)
	case l.Cancelled:
		return pick(pathTerminal, pathTerminalNone)
	}
	return pathOpen
}

// withdrawalPath is path of a withdrawal.
func (l *ourLoad) withdrawalPath(kills []time.Time) string {
	silent := !l.UnknownAt.IsZero()
	restart := silent && slices.ContainsFunc(kills, func(k time.Time) bool { return l.Asked.Before(k) && l.UnknownAt.After(k) })
	pick := func(atOnce, later, afterRestart string) string {
		switch {
		case restart:
			return afterRestart
		case silent:
			return later
		}
		return atOnce
	}
	switch {
	case l.Outcome == "withdrawal_paid":
		return pick(pathPaid, pathPaidLater, pathPaidRestart)
	case l.Outcome == "withdrawal_declined" && !silent && slices.Contains(notSentCodes, l.Code):
		return pathUnpaidNotSent
	case l.Outcome == "withdrawal_declined":
		return pick(pathUnpaid, pathUnpaidLater, pathUnpaidRestart)
	case l.GivenUp:
		return pathGivenUp
	}
	return pathOpen
}

// statementsCompared are the holders whose statements are held against the bank's account of them.
const statementsCompared = 8

// statementLine is a line of onecard statement --json.
type statementLine struct {
	Sequence uint64    `json:"sequence"`
	Kind     string    `json:"kind"`
	Original uint64    `json:"original"`
	Change   money.Fen `json:"change_fen"`
}

// compareStatements asks, for a few holders, what their statement says that loads have brought them, and the bank what it has taken from
// their accounts: another way through the ledger (its statement index) than the records above.
func (r *chaos) compareStatements(ctx context.Context, result *chaosResult) error {
	for range statementsCompared {
		h := r.signed[r.random.IntN(len(r.signed))]
		ours, err := r.house.site.loadedByStatement(ctx, h.Number)
		if err != nil {
			return err
		}
		result.Statements++
		if held := bankOpening - r.house.bank.Balance(fmt.Sprint(h.BankAccount)); held != ours {
			result.Different = append(result.Different, difference{"持卡人流水 statement", h.Number, ours, held, "流水与银行账户不符 / statement and bank account differ"})
		}
	}
	return nil
}

// loadedByStatement adds up what the bank has brought onto a holder's purses, less what it has paid out of them. These holders do nothing else.
func (s *site) loadedByStatement(ctx context.Context, holder string) (sum money.Fen, err error) {
	out, err := exec.CommandContext(ctx, s.binary, "statement", "--data", s.path("data"), "--holder", holder, "--limit", "1000", "--json").Output()
	if err != nil {
		return 0, fmt.Errorf("asking for a statement: %w", err)
	}
	var answer struct {
		Lines []statementLine `json:"lines"`
		Next  uint64          `json:"next"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return 0, fmt.Errorf("asking for a statement: %w", err)
	}
	for _, l := range answer.Lines {
		if l.Kind != "opening" {
			sum += l.Change
		}
	}
	return sum, nil
}
