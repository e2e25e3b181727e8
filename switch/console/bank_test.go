package console_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/console"
)

// paperBank agrees to everything until it is told otherwise: next holds its next answers. It keeps what it was asked.
type paperBank struct {
	mu     sync.Mutex
	asked  []string     // guarded by mu
	next   []paperReply // guarded by mu
	before func()       // guarded by mu: happens while the bank thinks
}

type paperReply struct {
	said console.BankSaid
	err  error
}

func (b *paperBank) Ask(_ context.Context, ask console.BankAsk) (console.BankSaid, error) {
	b.mu.Lock()
	reply := paperReply{said: console.BankSaid{Agreed: true, Code: "00", Reference: "G00001", Signed: "Y"}}
	if len(b.next) > 0 {
		reply, b.next = b.next[0], b.next[1:]
	}
	b.asked = append(b.asked, fmt.Sprintf("%d %d %s %s %s", ask.Act, ask.Account, ask.Holder, ask.Name, ask.IDNumber))
	before := b.before
	b.before = nil
	b.mu.Unlock()
	if before != nil {
		before()
	}
	return reply.said, reply.err
}

// heard is what the bank was asked since the last call.
func (b *paperBank) heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	asked := b.asked
	b.asked = nil
	return asked
}

func (b *paperBank) will(replies ...paperReply) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = replies
}

var (
	noLink  = paperReply{err: console.ErrNoBank}
	silence = paperReply{err: console.ErrBankSilent}
	notHis  = paperReply{said: console.BankSaid{Code: "05", Chinese: "身份认证失败", English: "holder not authenticated"}}
	gone    = paperReply{said: console.BankSaid{Code: "25", Unknown: true, Reference: "S1"}}
)

const (
	signBody   = `{"holder":"2026015","account":"6222020012345678","identity":"id_card","signed":"2026-11-26","document":"TP-1","name":"李小明","id_number":"11010120000101123X"}`
	changeBody = `{"holder":"2026015","account":"6222020012345678","other_account":"6222020087654321","identity":"id_card","signed":"2026-11-26","document":"TP-2","name":"李小明","id_number":"11010120000101123X"}`
	unsignBody = `{"holder":"2026015","account":"6222020012345678","reason":"毕业"}`
)

// TestBankAgreesFirst: nothing is posted that the bank has not agreed to, it is asked nothing that the ledger refuses, and a name that was heard
// before asks it nothing again (handbook 2.7).
func TestBankAgreesFirst(t *testing.T) {
	s := newSite(t)
	refused := func(status int, rule, kind, key, body string) {
		t.Helper()
		before := s.sequence()
		a := s.send("chen", http.MethodPost, "/operations/"+kind, key, body)
		require.Equal(t, status, a.status, "%s", a.body)
		require.Equal(t, rule, a.problem.Rule, "%s", a.body)
		require.Equal(t, before, s.sequence(), "something was posted")
	}
	for _, c := range []struct {
		reply  paperReply
		status int
		rule   string
	}{{noLink, 503, "bank_unreachable"}, {silence, 504, "bank_silent"}, {notHis, 422, "bank_refused"}} {
		s.bank.will(c.reply)
		refused(c.status, c.rule, "bank_sign", "sign-key-1", signBody)
		require.Equal(t, []string{"0 6222020012345678 2026015 李小明 11010120000101123X"}, s.bank.heard())
	}
	refused(422, "account_not_bound", "bank_unsign", "other-key-1", unsignBody)
	require.Empty(t, s.bank.heard(), "the bank was asked for what the ledger refuses")

	a := s.send("chen", http.MethodPost, "/operations/bank_sign", "sign-key-1", signBody)
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	require.True(t, a.receipt.Bank.Verified)
	require.Equal(t, "G00001", a.receipt.Bank.Reference)
	require.Equal(t, "6222********5678", a.receipt.Bank.Account)
	require.Len(t, s.bank.heard(), 1)
	again := s.send("chen", http.MethodPost, "/operations/bank_sign", "sign-key-1", signBody)
	require.Equal(t, http.StatusOK, again.status)
	require.True(t, again.receipt.Repeated)
	require.Equal(t, a.receipt.Number, again.receipt.Number)
	require.Empty(t, s.bank.heard())
	refused(409, "key_reused", "bank_sign", "sign-key-1", strings.Replace(signBody, "TP-1", "TP-9", 1))

	// What the bank has released before, without our hearing of it, is released.
	s.bank.will(silence)
	refused(504, "bank_silent", "bank_unsign", "unsign-key", unsignBody)
	s.bank.will(gone)
	require.Equal(t, http.StatusCreated, s.send("chen", http.MethodPost, "/operations/bank_unsign", "unsign-key", unsignBody).status)
	s.balanced()
}

// TestBankCardIsChanged: the new card is bound first, then the old one released; a release that fails is told and tried again under the same name.
func TestBankCardIsChanged(t *testing.T) {
	s := newSite(t)
	s.must("chen", "bank_sign", signBody)
	s.bank.heard()
	s.bank.will(paperReply{said: console.BankSaid{Agreed: true, Reference: "G2"}}, silence)
	a := s.send("chen", http.MethodPost, "/operations/bank_change", "change-key", changeBody)
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	require.Contains(t, a.receipt.Bank.Left, "still bound")
	require.Equal(t, []string{"0 6222020087654321 2026015 李小明 11010120000101123X", "1 6222020012345678 2026015 李小明 11010120000101123X"}, s.bank.heard())
	again := s.send("chen", http.MethodPost, "/operations/bank_change", "change-key", changeBody)
	require.Equal(t, http.StatusOK, again.status, "%s", again.body)
	require.Empty(t, again.receipt.Bank.Left)
	require.Equal(t, []string{"1 6222020012345678 2026015 李小明 11010120000101123X"}, s.bank.heard())
}

// TestBankAgreesInVain: somebody else has bound the account while the bank thought. The bank is told to release it again.
func TestBankAgreesInVain(t *testing.T) {
	s := newSite(t)
	s.bank.before = func() { s.must("chen", "bank_sign", strings.Replace(signBody, "2026015", "2026016", 1)) }
	a := s.send("chen", http.MethodPost, "/operations/bank_sign", "late-key-1", signBody)
	require.Equal(t, "account_bound", a.problem.Rule, "%s", a.body)
	heard := s.bank.heard()
	require.Equal(t, "1 6222020012345678 2026015 李小明 11010120000101123X", heard[len(heard)-1])
}

// TestVerifyAtBank asks and changes nothing.
func TestVerifyAtBank(t *testing.T) {
	s := newSite(t)
	before := s.sequence()
	body := `{"holder":"2026015","account":"6222020012345678","name":"李小明","id_number":"11010120000101123X"}`
	for _, c := range []struct {
		reply  paperReply
		status int
		says   string
	}{
		{paperReply{said: console.BankSaid{Agreed: true, Code: "00", Signed: "N"}}, 200, `"agreed":true,"code":"00"`},
		{notHis, 200, `"agreed":false,"code":"05"`},
		{silence, 504, "bank_silent"},
		{noLink, 503, "bank_unreachable"},
	} {
		s.bank.will(c.reply)
		a := s.post("zhang", "/bank/verify", body)
		require.Equal(t, c.status, a.status, "%s", a.body)
		require.Contains(t, string(a.body), c.says)
	}
	require.Equal(t, "holder_known", s.post("zhang", "/bank/verify", strings.Replace(body, "2026015", "9999999", 1)).problem.Rule)
	require.Equal(t, before, s.sequence())
}

// TestIdentityIsNotKept: names and identity numbers given for the bank are in no file of ours: not in the ledger, not in the audit log.
func TestIdentityIsNotKept(t *testing.T) {
	s := newSite(t)
	s.must("chen", "bank_sign", signBody)
	s.bank.will(silence)
	s.send("chen", http.MethodPost, "/operations/bank_change", "silent-key", changeBody)
	s.post("chen", "/operations/bank_sign", strings.Replace(signBody, "11010120000101123X", "11010120000101123X?", 1)) // not well formed
	s.post("chen", "/bank/verify", `{"holder":"2026015","account":"6222020012345678","name":"李小明","id_number":"11010120000101123X"}`)
	s.stop()
	var kept []string
	for _, pattern := range []string{console.AuditLog, console.AuditHead} {
		text, err := os.ReadFile(filepath.Join(s.folder, pattern))
		require.NoError(t, err)
		kept = append(kept, string(text))
	}
	require.Contains(t, kept[0], "bank_sign")
	names, err := s.disk.List("ledger")
	require.NoError(t, err)
	for _, name := range names {
		f, err := s.disk.Open("ledger/" + name)
		require.NoError(t, err)
		info, err := f.Stat()
		require.NoError(t, err)
		raw := make([]byte, info.Size())
		if len(raw) > 0 {
			_, err = f.ReadAt(raw, 0)
			require.NoError(t, err)
		}
		require.NoError(t, f.Close())
		kept = append(kept, string(raw))
	}
	for _, text := range kept {
		require.NotContains(t, text, "11010120000101123")
		require.NotContains(t, text, "李小明")
	}
	require.Empty(t, s.events.failed)
}

// TestSiteWithoutBank: the refusal says so, and what needs no bank goes on.
func TestSiteWithoutBank(t *testing.T) {
	s := newSite(t)
	s.must("chen", "bank_sign", signBody)
	s.stop()
	s.bankless = true
	s.open(false)
	for kind, body := range map[string]string{"bank_change": changeBody, "bank_unsign": unsignBody} {
		require.Equal(t, "bank_none", s.post("chen", "/operations/"+kind, body).problem.Rule)
	}
	s.must("chen", "auto_load", `{"holder":"2026015","threshold":"50.00","amount":"100.00"}`)
}
