package command

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"onecard/switch/console"
)

func newDeskCommand() *cobra.Command {
	flags := &deskFlags{}
	c := group(&cobra.Command{
		Use:   "desk",
		Short: "柜台:存取款、补贴、扣款、调账、日报、查询 / the desk: every transaction and query of the settlement centre",
		Long: `以操作员身份经 HTTP 办理结算中心的业务。令牌由管理员用 onecard operator add 发放,放在 ONECARD_TOKEN 或只有本人可读的
~/.config/onecard/token。每笔业务自带名字(--key):应答丢失时用同一名字重发,不会重复入账;命令自己会重试。
Carries out the settlement centre's business over HTTP as an operator. The token, given out by onecard operator add, is in ONECARD_TOKEN or
in ~/.config/onecard/token, which only you can read. Each act has a name (--key): under the same name it is not done twice, whatever becomes
of the connection; the command tries again by itself.

需双人的业务先成为待审业务,由另一人 approve。/ What needs two persons becomes a proposal first; another person approves it.
退出码 / exit codes: 0 已办理或待审 done or proposed; 1 被拒绝或结果未知 refused, or the outcome is not known; 2 命令行不对 wrong command line;
3 有差额、有失败行 a drawer that differs, lines that failed.`,
		Example: `  onecard desk drawer open --desk D01 --amount 500.00
  onecard desk deposit --desk D01 --holder 2026001 --amount 100.00
  onecard desk subsidy --holder 2026001 --purse subsidy --amount 150.00 --reason 十一月补贴
  onecard desk proposals; onecard desk approve 000000000123
  onecard desk sheet D01`,
	})
	flags.add(c)
	c.AddCommand(newDeskActs(flags)...)
	c.AddCommand(newDeskBatchCommand(flags), newDeskProposalsCommand(flags), newDeskApproveCommand(flags), newDeskRejectCommand(flags), newDeskSheetCommand(flags),
		newDeskListCommand(flags), newDeskHolderCommand(flags), newDeskStatementCommand(flags), newDeskTotalsCommand(flags), newDeskBalanceCommand(flags), newDeskDayCommand(flags), newDeskReceiptCommand(flags), newDeskCatalogueCommand(flags), newDeskMeCommand(flags), newDeskSettlementCommand(flags), newDeskChannelCommand(flags), newDeskBankCommand(flags), newDeskVerifyCommand(flags), newDeskLoadsCommand(flags), newDeskBankBalanceCommand(flags))
	return c
}

// deskFlags say where the console is and who asks.
type deskFlags struct {
	address, tokenFile, authority string
	asJSON                        bool
}

func (f *deskFlags) add(c *cobra.Command) {
	p := c.PersistentFlags()
	p.StringVar(&f.address, "address", envOr("ONECARD_ADDRESS", "127.0.0.1:9583"), "运维端口地址,或 https://… / operations port of the switch, or https://…")
	p.StringVar(&f.tokenFile, "token-file", "", "令牌文件,默认 ~/.config/onecard/token / file with the token")
	p.StringVar(&f.authority, "ca", "", "签发服务器证书的 CA(PEM)/ authority of the server's certificate (PEM)")
	p.BoolVar(&f.asJSON, "json", false, "输出 JSON / print JSON")
	_ = c.MarkPersistentFlagFilename("token-file")
	_ = c.MarkPersistentFlagFilename("ca", "pem", "crt")
}

func envOr(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// client makes the client of the operator who runs this program.
func (f *deskFlags) client(c *cobra.Command) (*console.Client, error) {
	token, err := f.token()
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // money does not travel through somebody's proxy
	if f.authority != "" {
		pem, err := os.ReadFile(f.authority)
		pool := x509.NewCertPool()
		if err != nil || !pool.AppendCertsFromPEM(pem) {
			return nil, withCode(exitUsage, fmt.Errorf("%s 不是 PEM 证书 / is no PEM certificate (%w)", f.authority, err))
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	client := console.NewClient(f.address, token, transport)
	client.Retry = func(attempt int, err error) {
		fmt.Fprintf(c.ErrOrStderr(), "第 %d 次未得到应答,以同一名字重发 / no answer to try %[1]d, sending it again under the same name: %[2]v\n", attempt, err)
	}
	return client, nil
}

// token reads who asks. A file that others can read is refused: a token is as good as a signature.
func (f *deskFlags) token() (string, error) {
	if token := os.Getenv("ONECARD_TOKEN"); token != "" && f.tokenFile == "" {
		return token, nil
	}
	path := f.tokenFile
	if path == "" {
		folder, err := os.UserConfigDir()
		if err != nil {
			return "", err
		}
		path = filepath.Join(folder, "onecard", "token")
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("没有令牌:设 ONECARD_TOKEN,或存入 %s(权限 0600);令牌由 onecard operator add 发放 / no token: set ONECARD_TOKEN, or keep it in that file (mode 0600); onecard operator add gives tokens out", path)
	}
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s 可被他人读取,请 chmod 600 / others can read it: chmod 600", path)
	}
	text, err := os.ReadFile(path)
	return strings.TrimSpace(string(text)), err
}

// asked runs one question or act of the desk and says what a refusal means for the exit code.
func (f *deskFlags) asked(run func(c *cobra.Command, client *console.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		return run(c, client, args)
	}
}

// unanswered tells how to ask again for what may have been done.
func unanswered(err error, name string) error {
	if !errors.Is(err, console.ErrUnanswered) {
		return err
	}
	return fmt.Errorf("%w\n  可能已入账。请原样重发,并加 / it may have been posted. Send the same again, with: --key %s", err, name)
}
