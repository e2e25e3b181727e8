package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes of the program; doc.go says what they mean.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitFindings = 3
)

// exitError carries an exit code with an error. An empty text means that everything has been said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// withCode gives an error its exit code; nil stays nil.
func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

// errSaid ends a command whose findings are printed already.
var errSaid = errors.New("")

// Run runs the program and returns its exit code. The first interrupt or termination ends the command politely, the second at once.
func Run(version string, args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal has its ordinary effect
	root := newRoot(version)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code := exitFailed
	if e := new(exitError); errors.As(err, &e) {
		code = e.code
	}
	if text := interrupted(ctx, err).Error(); text != "" {
		fmt.Fprintf(errOut, "错误 / error: %s\n", text)
	}
	return code
}

func newRoot(version string) *cobra.Command {
	root := group(&cobra.Command{
		Use:   "onecard",
		Short: "校园一卡通交易交换平台 / the campus one-card transaction switch",
		Long: `校园一卡通交易交换平台:终端进,银行出,每一分钱都有账。
The campus one-card transaction switch: terminals in, bank out, every fen accounted for.

先试试 / try first:
  onecard demo                      一个有人有食堂的校园,在您的终端里吃午饭 / a campus at lunch, on your screen
  onecard serve --config FILE       正式运行 / run the switch
  onecard verify --data DIR         独立复算账本 / an auditor's own replay of the ledger`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	})
	root.SetVersionTemplate("onecard {{.Version}}\n")
	root.SetFlagErrorFunc(wrongFlag)
	root.SetUsageTemplate(usageTemplate)
	root.AddCommand(newDemoCommand(), newServeCommand(version), newImportCommand(),
		newDeskCommand(), newOperatorCommand(), newAuditCommand(),
		newCardCommand(), newRulesCommand(), newWhatIfCommand(), newVerifyCommand(), newStatementCommand(), newTotalsCommand(), newBalanceCommand(),
		newDayCommand(), newProveCommand(), newCheckProofCommand(), newTerminalCommand(), newTraceCommand(), newIndexCommand(), newFeedCommand(), newBackupCommand(version), newArchiveCommand(),
		newRestoreCommand(), newConfigCommand(), newVersionCommand(version),
		newCompletionCommand())
	help := newHelpCommand()
	root.SetHelpCommand(help)
	root.AddCommand(help)
	root.Flags().BoolP("version", "v", false, "版本 / version")
	inBothLanguages(root)
	return root
}
