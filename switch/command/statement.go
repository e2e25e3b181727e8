package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"onecard/switch/daemon"
	"onecard/switch/query"
)

func newStatementCommand() *cobra.Command {
	var flags configFlags
	var ask query.StatementQuestion
	var card string
	var asJSON bool
	c := &cobra.Command{
		Use:   "statement --data DIR (--holder N | --card N | --merchant N | --terminal N | --operator N | --account N | --record N)",
		Short: "流水,新的在前 / a statement, newest first",
		Long: `列出一位持卡人、一张卡、一家商户、一台终端、一名操作员或一个账户的流水,或账本中的一条:何时、何事、金额、余额、结果及理由。
交换机运行时由它回答,停止时只读打开账本。“变动”是持卡人钱包或该账户的变化;圈存与银行的结果合为一行。卡号只显示首六位和末四位。
一页列完后给出下一页的 --after;加上同一个 --up-to,翻页期间的新流水不会改变已有各页。
The entries of a holder, a card, a merchant, a terminal, an operator or an account, or one entry of the ledger: when, what, how much, the
balance, the result and why. A running switch answers; of one that was stopped the ledger is opened read-only. "Change" is what an entry did
to the holder's purses, or to the account; a load and what became of it at the bank are one line. Card numbers show their first six and
last four digits. Behind a page stands the --after of the next; with the same --up-to, what comes meanwhile changes no page.`,
		Example: `  onecard statement --data /var/lib/onecard --card 9156000000000012
  onecard statement --data /var/lib/onecard --holder 20260001 --from 2026-11-01 --to 2026-11-30
  onecard statement --data /var/lib/onecard --merchant 103410054110001 --from "2026-11-26 11:00" --limit 200 --json`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if card != "" {
				if ask.Card, err = strconv.ParseUint(card, 10, 64); err != nil {
					return withCode(exitUsage, errors.New("卡号须为数字 / the card number must be digits"))
				}
			}
			config, err := flags.load()
			if err != nil {
				return err
			}
			return runStatement(c.Context(), &config, ask, asJSON, c.OutOrStdout())
		},
	}
	flags.add(c)
	addSubject(c, &ask.Subject, &card)
	f := c.Flags()
	f.StringVar(&ask.Terminal, "terminal", "", "终端号 / terminal, DE 41")
	f.StringVar(&ask.Operator, "operator", "", "操作员 / operator")
	f.Uint64Var(&ask.Record, "record", 0, "记录号 / number of an entry")
	f.StringVar(&ask.From, "from", "", "自此时起,如 2026-11-26 或 \"2026-11-26 12:30\" / from this moment on")
	f.StringVar(&ask.To, "to", "", "到此时为止;日期含当日 / up to this moment; a date includes its day")
	f.IntVar(&ask.Limit, "limit", 50, "一页多少条 / entries of a page")
	f.Uint64Var(&ask.After, "after", 0, "接着上一页的末条 / go on behind the last entry of the page before")
	f.Uint64Var(&ask.UpTo, "up-to", 0, "不看此条之后的 / look at nothing behind this entry")
	f.BoolVar(&ask.OldestFirst, "oldest-first", false, "旧的在前 / oldest first")
	f.BoolVar(&asJSON, "json", false, "输出 JSON / print JSON")
	return c
}

// addSubject adds the flags of whom a statement or a balance may be of.
func addSubject(c *cobra.Command, s *query.Subject, card *string) {
	c.Flags().StringVar(&s.Holder, "holder", "", "学号/工号 / number of a holder")
	c.Flags().StringVar(card, "card", "", "卡号 / card number")
	c.Flags().StringVar(&s.Merchant, "merchant", "", "商户号 / merchant, DE 42")
	c.Flags().Uint32Var((*uint32)(&s.Account), "account", 0, "账户号 / number of an account")
}

// asked puts a question to a running switch, and to the ledger itself when there is none.
func asked[Q, A any](ctx context.Context, config *daemon.Config, question Q,
	running func(*daemon.Client, context.Context, Q) (A, error), stopped func(*query.Reader, context.Context, Q) (A, error),
) (answer A, err error) {
	answer, err = running(daemon.NewClient(config.Data.Directory), ctx, question)
	if !errors.Is(err, daemon.ErrNotRunning) {
		return answer, err
	}
	reader, store, err := daemon.OpenReader(ctx, config)
	if err != nil {
		return answer, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	answer, err = stopped(reader, ctx, question)
	if query.IsWrong(err) {
		err = withCode(exitUsage, err)
	}
	return answer, err
}

func printJSON(out io.Writer, answer any) error {
	text, err := json.MarshalIndent(answer, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(out, "%s\n", text)
	}
	return err
}

func runStatement(ctx context.Context, config *daemon.Config, question query.StatementQuestion, asJSON bool, out io.Writer) error {
	answer, err := asked(ctx, config, question, (*daemon.Client).Statement, (*query.Reader).Statement)
	if err != nil {
		return err
	}
	return tellStatement(&answer, asJSON, out)
}

func tellStatement(answer *query.Statement, asJSON bool, out io.Writer) error {
	if asJSON {
		return printJSON(out, answer)
	}
	printAbout(out, &answer.About)
	t := statementTable(&answer.About)
	for i := range answer.Lines {
		statementRow(&t, &answer.About, &answer.Lines[i])
	}
	t.write(out)
	if answer.Next == 0 {
		_, err := fmt.Fprintf(out, "\n%d 条,完 / %[1]d entries, the end\n", len(answer.Lines))
		return err
	}
	_, err := fmt.Fprintf(out, "\n%d 条,下一页 / %[1]d entries, the next page: --after %d --up-to %d\n", len(answer.Lines), answer.Next, answer.UpTo)
	return err
}
