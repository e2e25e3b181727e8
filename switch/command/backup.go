package command

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"onecard/ledger/pebblestore"
	"onecard/switch/daemon"
)

func newBackupCommand(version string) *cobra.Command {
	var flags configFlags
	c := &cobra.Command{
		Use:   "backup --data DIR FOLDER",
		Short: "在线备份账本到一个新目录 / back up the ledger into a new folder, while the switch goes on",
		Long: `把账本完整复制到一个新目录;交换机在运行时经控制套接字进行,不停交易。副本自成账本,可直接 verify;用 restore 恢复。
同一文件系统上,数据文件是硬链接(快、不占空间,但与原件同在一块磁盘):请再把目录复制到另一台机器。
Copies the whole ledger into a new folder, through the control socket while a switch is running, which goes on. The copy is a ledger of its
own: verify reads it, restore brings it back. On one file system the tables are hard links: quick, no space, and on the same disk as the
original. So copy the folder to another machine.

站点密钥与签名密钥(site.key、signing.key)不在备份中:请另行保管,勿与备份放在一起。
The site key and the signing key (site.key, signing.key) are not in the backup: keep them apart from it.`,
		Example: `  onecard backup --data /var/lib/onecard /var/lib/onecard-backup/1125    # 由交换机写入 / written by the switch
  onecard verify --data /var/lib/onecard-backup/1125
  onecard restore --from /var/lib/onecard-backup/1125 --data /var/lib/onecard`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			config, err := flags.load()
			if err != nil {
				return err
			}
			began := time.Now()
			made, err := daemon.Backup(c.Context(), &config, args[0], version)
			if err != nil {
				return err
			}
			return tellBackup(c.OutOrStdout(), args[0], config.SiteKeyPath(), made, time.Since(began))
		},
	}
	flags.add(c)
	return c
}

func tellBackup(out io.Writer, folder, siteKey string, b pebblestore.Backup, took time.Duration) error {
	if path, err := filepath.Abs(folder); err == nil {
		folder = path
	}
	if b.MovedOut > 0 {
		fmt.Fprintf(out, "! 第 %s 条及以前的区块已移出,不在备份中:请一并保管档案 / blocks up to entry %[1]s were moved out and are not in the backup: keep the archive with it: %s\n", thousands(b.MovedOut), b.Archive)
	}
	_, err := fmt.Fprintf(out, `✓ 备份完成 / backup made   %s
  截至 / up to          第 %s 条 / entry,会计日 / day %s
  末块哈希 / last block  %s
  大小 / size           %s MiB,用时 / took %s
! 站点密钥不在备份中:请把 %s 另行保管(离线、加密,勿与备份同处);没有它,恢复的账本无法服务终端
! the site key is not in the backup: keep that file apart (offline, sealed, not beside the backup); without it no terminal can be served
! 同盘备份与原件共用数据块,请复制到另一台机器 / on the same disk the tables are shared with the original: copy the folder to another machine
`, folder, thousands(b.Sequence), b.Day, b.Hash, thousands(uint64(b.Bytes+1<<20-1)>>20), took.Round(time.Millisecond), siteKey)
	return err
}
