package command

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"onecard/switch/proof"
	"onecard/switch/transaction"
)

func newCheckProofCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check-proof --key PUBFILE FILE",
		Short: "核对一张凭证,不需要账本 / check a proof, without a ledger",
		Long: `用站点公钥核对 prove 出具的凭证:签名、日根、路径、记录。打印的是从记录本身读出的内容;卡号和终端号是站点的说明,未经证明。
公钥文件来自 prove --public-key,请从站点处另行取得,不要用与凭证同来的公钥。
Checks a proof made by prove with the site's public key: signature, root of the day, path, record. What is printed is read from the record
itself; numbers of card and terminal are the site's word. The key's file comes from prove --public-key: take it from the site by another way
than the proof.

退出码 / exit codes: 0 成立 / it holds; 1 无法读取 / it cannot be read; 2 命令或公钥文件有误 / wrong command line or key file; 3 不成立 / it does not hold.`,
		Example: `  onecard check-proof --key site.pub receipt.json`,
		Args:    usage(cobra.ExactArgs(1)),
	}
	return checksSigned(c, "读凭证 / reading the proof", runCheckProof)
}

// checksSigned makes a command check its one argument, a file that a site has signed, with the site's public key.
func checksSigned(c *cobra.Command, reading string, check func(site ed25519.PublicKey, file io.Reader, out io.Writer) error) *cobra.Command {
	var key string
	c.RunE = func(c *cobra.Command, args []string) error {
		if key == "" {
			return withCode(exitUsage, errors.New("请给出 --key / give --key"))
		}
		site, err := readPublicKey(key)
		if err != nil {
			return err
		}
		file, err := os.Open(args[0])
		if err != nil {
			return fmt.Errorf("%s: %w", reading, err)
		}
		defer file.Close()
		return check(site, file, c.OutOrStdout())
	}
	c.Flags().StringVar(&key, "key", "", "站点公钥文件 / file with the site's public key")
	_ = c.MarkFlagFilename("key")
	return c
}

func readPublicKey(path string) (ed25519.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("读公钥 / reading the public key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, withCode(exitUsage, fmt.Errorf("%s 须为 %d 位十六进制数 / must hold %[2]d hexadecimal digits: onecard prove --public-key", path, 2*ed25519.PublicKeySize))
	}
	return key, nil
}

func runCheckProof(site ed25519.PublicKey, file io.Reader, out io.Writer) error {
	p, err := proof.Read(file)
	var contents proof.Contents
	if err == nil {
		contents, err = p.Check(site)
	}
	if errors.Is(err, proof.ErrDoesNotHold) {
		return withCode(exitFindings, err)
	}
	if err != nil {
		return err
	}
	words := provenWords(contents, p.Record.ZoneSeconds)
	fmt.Fprintf(out, "✓ 凭证成立 / the proof holds\n\n已证明 / proven\n  %s\n  %s\n  当日第 %d 条,共 %d 条 / record %[3]d of %[4]d of the day\n", words, dayWords(&p.Signed), p.Index+1, p.TreeSize)
	fmt.Fprintf(out, "  日根 / day root %x\n  账块 / block    %x\n  公钥 / key      %x\n", []byte(p.Root), []byte(p.Signed.LastBlock), []byte(site))
	if p.Names != (proof.Names{}) {
		fmt.Fprintf(out, "\n站点说明,未证明 / the site's word, not proven\n  卡 / card %q,终端 / terminal %q\n", p.Names.Card, p.Names.Terminal)
	}
	if p.Record.Says != words {
		fmt.Fprintf(out, "\n注意:文件中的说明与记录不同,以上面的为准 / note: the words in the file differ from the record; what is above counts\n  %q\n", p.Record.Says)
	}
	return nil
}

// dayWords says what the signature speaks for.
func dayWords(root *proof.Root) string {
	if root.Complete {
		return fmt.Sprintf("会计日 %s 已完结,不再增改 / business day %[1]s, complete: nothing can be added", root.Day)
	}
	return fmt.Sprintf("会计日 %s,临时:当日未完,只覆盖当时已有的记录 / business day %[1]s, provisional: the day was not over, this covers what was there", root.Day)
}

// provenWords reads a record for people. Nothing but the record speaks here: a registered card and a terminal are numbers of the ledger's
// own, and a card that is not registered shows masked.
func provenWords(c proof.Contents, zoneSeconds int32) string {
	zone := time.FixedZone("", int(zoneSeconds))
	words := []string{
		"第 " + transaction.ReferenceOf(c.Sequence).String() + " 条 / record",
		time.UnixMicro(c.Entry.Time).In(zone).Format("2006-01-02 15:04:05.000000 -07:00"),
	}
	line, ok := transaction.ReadEntry(c.Sequence, c.Day, &c.Entry)
	switch {
	case c.Entry.Kind == transaction.KindGenesis:
		return strings.Join(append(words, "建账 / the ledger was made"), " · ")
	case !ok:
		return strings.Join(append(words, "本版本无法读出其内容 / what it says cannot be read by this version"), " · ")
	case line.Kind == transaction.KindDaySwitch:
		return strings.Join(append(words, fmt.Sprintf("日切:关闭会计日 %s,开启 %s / day switch: closes business day %[1]s, opens %[2]s", proof.Day(line.Closes), proof.Day(c.Day))), " · ")
	case line.Kind == transaction.KindDayEnd:
		return strings.Join(append(words, fmt.Sprintf("日结:会计日 %s / day-end of business day %[1]s", proof.Day(line.Closes))), " · ")
	case line.Load != 0:
		return strings.Join(append(words, "圈存 / load "+transaction.ReferenceOf(line.Load).String(), amountText(line.Amount, true), outcomeText(&line)), " · ")
	}
	words = append(words, whatOf(&line))
	if line.Amount != 0 {
		words = append(words, amountText(line.Amount, true))
	}
	if line.Terminal != 0 {
		words = append(words, fmt.Sprintf("终端 / terminal #%d %s", line.Terminal, traceText(&line)))
	}
	switch {
	case line.Card != 0:
		words = append(words, fmt.Sprintf("卡 / card #%d", line.Card))
	case line.Number != 0:
		words = append(words, "卡 / card "+line.Number.String())
	}
	if line.HasBalance {
		words = append(words, "余额 / balance "+line.Balance.String())
	}
	result := resultOf(&line)
	if line.Kind == transaction.KindLoad && line.Reason == transaction.ReasonNone {
		result = "已请求银行,结果另记一条 / asked of the bank; its outcome is another record"
	}
	if result != "" {
		words = append(words, result)
	}
	return strings.Join(words, " · ")
}
