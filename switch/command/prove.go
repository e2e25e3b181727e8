package command

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"onecard/switch/daemon"
	"onecard/switch/proof"
)

// proveFlags are the command line of prove.
type proveFlags struct {
	config    configFlags
	record    string // decimal whatever it begins with: DE 37 is padded with zeros
	out       string
	publicKey bool
}

func newProveCommand() *cobra.Command {
	var flags proveFlags
	c := &cobra.Command{
		Use:   "prove --data DIR (--record SEQ | --public-key)",
		Short: "为一条记录出具凭证:它确在当日账中 / prove that a record stands in the books of its day",
		Long: `为账本中的一条记录(参考号,即 DE 37)出具 JSON 凭证:记录、它到当日默克尔树根的路径(RFC 6962)、站点以 Ed25519 签名的日根。
持有公钥的任何人可用 check-proof 核对,不需要账本。交换机运行或停止时都可使用。日切之后日根即为完结;
之前为临时:只覆盖当时已有的记录。卡号与终端号是站点的说明,不在证明之内。目录行含密钥,不出具凭证。
签名密钥在 DIR/signing.key,首次使用时生成,请与站点密钥一同保管。
Makes a proof of one record of the ledger (its number is DE 37) as JSON: the record, its path to the root of the day's Merkle tree
(RFC 6962), and that root signed by the site (Ed25519). Whoever has the public key checks it with check-proof and needs no ledger. It works
beside a running switch and without one. The root is complete after the day switch, and provisional before: it covers what was there.
The numbers of card and terminal are the site's word and not proven. Directory rows hold keys and are not handed out.
The signing key is DIR/signing.key, drawn at its first use: keep it where the site key is kept.`,
		Example: `  onecard prove --data /var/lib/onecard --public-key > site.pub
  onecard prove --data /var/lib/onecard --record 000000000009 --out receipt.json
  onecard check-proof --key site.pub receipt.json`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if flags.publicKey == (flags.record != "") || flags.publicKey && flags.out != "" {
				return withCode(exitUsage, errors.New("请给出 --record 或 --public-key 之一,--out 只用于 --record / give one of --record and --public-key; --out goes with --record"))
			}
			config, err := flags.config.load()
			if err != nil {
				return err
			}
			if flags.publicKey {
				return printPublicKey(c, config.Data.Directory)
			}
			return runProve(c, &config, &flags)
		},
	}
	flags.config.add(c)
	c.Flags().StringVar(&flags.record, "record", "", "记录号 / number of the record")
	c.Flags().StringVar(&flags.out, "out", "", "写入文件;默认打印 / write to this file; default: print")
	c.Flags().BoolVar(&flags.publicKey, "public-key", false, "打印站点公钥 / print the site's public key")
	_ = c.MarkFlagFilename("out", "json")
	return c
}

func printPublicKey(c *cobra.Command, directory string) error {
	key, err := daemon.LoadSigningKey(directory)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), hex.EncodeToString(key.Public().(ed25519.PublicKey)))
	return err
}

func runProve(c *cobra.Command, config *daemon.Config, flags *proveFlags) error {
	record, err := strconv.ParseUint(flags.record, 10, 64)
	if err != nil {
		return withCode(exitUsage, fmt.Errorf("--record 须为记录号 / --record must be the number of a record: %q", flags.record))
	}
	p, doubts, err := proofOf(c.Context(), config, record)
	for _, doubt := range doubts {
		fmt.Fprintf(c.ErrOrStderr(), "注意 / note: 账本存疑,请运行 verify / the ledger is in doubt, run verify: %v\n", doubt)
	}
	if err != nil {
		return err
	}
	contents, err := p.Contents()
	if err != nil {
		return err
	}
	p.Record.Says = provenWords(contents, p.Record.ZoneSeconds)
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if flags.out == "" {
		_, err = c.OutOrStdout().Write(text)
		return err
	}
	if err := os.WriteFile(flags.out, text, 0o644); err != nil {
		return fmt.Errorf("写凭证 / writing the proof: %w", err)
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n%s\n已写入 / written to %s\n", p.Record.Says, dayWords(&p.Signed), flags.out)
	return err
}

// proofOf asks a running switch, and reads the ledger itself when there is none.
func proofOf(ctx context.Context, config *daemon.Config, record uint64) (proof.Proof, []error, error) {
	p, err := daemon.NewClient(config.Data.Directory).Prove(ctx, record)
	if errors.Is(err, daemon.ErrNotRunning) {
		return daemon.Prove(ctx, config, record)
	}
	return p, nil, err
}
