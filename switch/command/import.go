package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"onecard/switch/daemon"
	"onecard/switch/directory"
)

func newImportCommand() *cobra.Command {
	var flags configFlags
	c := &cobra.Command{
		Use:   "import --data DIR FOLDER",
		Short: "从 CSV 导入机构、商户、门、终端、持卡人和卡 / import organisations, merchants, doors, terminals, holders and cards from CSV",
		Long: `从一个文件夹导入 CSV 文件:` + directory.FileNames("、") + `。
先全部检查,每个错行都列出原因;有错则一行也不导入,无错则一次全部生效。交换机在运行时也可导入。
Imports CSV files from a folder. Everything is checked first and every bad line is listed with its reason; with a fault nothing is
imported, without one everything takes effect at once. The switch may be running meanwhile.

各文件的列(首行为表头,次序不限)/ columns of each file (the first line names them, in any order):
` + importColumns() + `
文件含主密钥和密码的明文,导入后请销毁。/ The files hold master keys and PINs in the clear: destroy them afterwards.
退出码 3:有错行。/ Exit code 3: there are bad lines.`,
		Example: `  onecard import --data /var/lib/onecard ./campus
  onecard import --config /etc/onecard/switch.yaml ./new-students`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			config, err := flags.load()
			if err != nil {
				return err
			}
			return runImport(c.Context(), &config, args[0], c.OutOrStdout())
		},
	}
	flags.add(c)
	return c
}

// importColumns lists what each file may have.
func importColumns() string {
	var list strings.Builder
	for _, f := range directory.Files {
		fmt.Fprintf(&list, "  %-18s %s\n", f.Name, strings.Join(f.Columns, ","))
	}
	return list.String()
}

func runImport(ctx context.Context, config *daemon.Config, folder string, out io.Writer) error {
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return withCode(exitUsage, fmt.Errorf("%s 不是文件夹 / is not a folder", folder))
	}
	files := os.DirFS(folder)
	// A switch that runs is asked first: its folder is not touched from here, by an open that is refused least of all.
	imported, problems, err := daemon.NewClient(config.Data.Directory).Import(ctx, files)
	if errors.Is(err, daemon.ErrNotRunning) {
		imported, problems, err = daemon.Import(ctx, config, files)
	}
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		for _, p := range problems {
			fmt.Fprintln(out, p)
		}
		return withCode(exitFindings, fmt.Errorf("共 %d 处错误,未导入任何一行 / %d faults: nothing was imported", len(problems), len(problems)))
	}
	for _, row := range []struct {
		zh, en string
		n      int
	}{
		{"身份类别", "classes", imported.Classes},
		{"商户", "merchants", imported.Merchants},
		{"门", "doors", imported.Doors},
		{"终端", "terminals", imported.Terminals},
		{"持卡人", "holders", imported.Holders},
		{"卡", "cards", imported.Cards},
		{"名称", "names", imported.Names},
	} {
		fmt.Fprintf(out, "%9d  %s / %s\n", row.n, row.zh, row.en)
	}
	fmt.Fprintln(out, "已导入并落盘 / imported and durable")
	return nil
}
