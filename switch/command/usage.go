package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageTemplate is cobra's own in two languages.
const usageTemplate = `用法 / usage:
  {{.UseLine}}{{if .HasAvailableSubCommands}} [COMMAND]{{end}}
{{if .HasExample}}
示例 / examples:
{{.Example}}
{{end}}{{if .HasAvailableSubCommands}}
命令 / commands:{{range .Commands}}{{if or .IsAvailableCommand (eq .Name "help")}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableLocalFlags}}
选项 / flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableSubCommands}}
单个命令的帮助 / help about one command: {{.CommandPath}} COMMAND --help
{{end}}`

// inBothLanguages puts our words in the place of cobra's, in this command and all below it.
func inBothLanguages(c *cobra.Command) {
	c.Flags().BoolP("help", "h", false, "帮助 / help")
	c.DisableFlagsInUseLine, c.SuggestionsMinimumDistance = true, 2
	for _, sub := range c.Commands() {
		inBothLanguages(sub)
	}
}

// group makes a command that only holds others: by itself it shows its help, and a word that is none of them is a wrong command line.
func group(c *cobra.Command) *cobra.Command {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return noSuchCommand(c, args[0])
		}
		return c.Help()
	}
	return c
}

func noSuchCommand(c *cobra.Command, word string) error {
	text := fmt.Sprintf("没有命令 %q / there is no command %q", word, word)
	if near := c.SuggestionsFor(word); len(near) > 0 {
		text += fmt.Sprintf(";是否 / did you mean: %s", strings.Join(near, ", "))
	}
	return withCode(exitUsage, withHelp(c, errors.New(text)))
}

// withHelp adds where to read on.
func withHelp(c *cobra.Command, err error) error {
	return fmt.Errorf("%w\n  帮助 / help: %s --help", err, c.CommandPath())
}

// usage marks a wrong number of arguments as a wrong command line.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if check(c, args) == nil {
			return nil
		}
		return withCode(exitUsage, withHelp(c, fmt.Errorf("参数个数不对,给了 %d 个 / wrong number of arguments, %d given\n  用法 / usage: %s", len(args), len(args), c.UseLine())))
	}
}

// wrongFlag says in both languages what is wrong with a flag. A word before it that is no command is what is really wrong.
func wrongFlag(c *cobra.Command, err error) error {
	if c.HasSubCommands() && c.Flags().NArg() > 0 {
		return noSuchCommand(c, c.Flags().Arg(0))
	}
	var unknown *pflag.NotExistError
	var valueless *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		err = fmt.Errorf("没有选项 %s / there is no flag %[1]s", flagName(unknown.GetSpecifiedName(), unknown.GetSpecifiedShortnames()))
	case errors.As(err, &valueless):
		err = fmt.Errorf("选项 %s 缺少值 / the flag %[1]s needs a value", flagName(valueless.GetSpecifiedName(), valueless.GetSpecifiedShortnames()))
	case errors.As(err, &invalid):
		err = fmt.Errorf("选项 --%s 的值 %q 不对,须为 %s / the value %[2]q of --%[1]s must be: %[3]s", invalid.GetFlag().Name, invalid.GetValue(), invalid.GetFlag().Value.Type())
	default:
		err = fmt.Errorf("选项不对 / wrong flag: %w", err)
	}
	return withCode(exitUsage, withHelp(c, err))
}

// flagName is a flag as it was written: -x within short ones, --xyz otherwise.
func flagName(name, shorts string) string {
	if shorts != "" {
		return "-" + name
	}
	return "--" + name
}

// newHelpCommand is "onecard help COMMAND", the same as "onecard COMMAND --help".
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND ...]",
		Short:   "单个命令的帮助 / help about one command",
		Example: "  onecard help serve\n  onecard help config check",
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			asked, rest, err := c.Root().Find(args)
			if err != nil {
				return withCode(exitUsage, err)
			}
			if len(rest) > 0 {
				return noSuchCommand(asked, rest[0])
			}
			return asked.Help()
		},
	}
}

func newCompletionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "外壳补全脚本 / the script for completion in a shell",
		Long: `打印一种外壳的补全脚本。
Prints the completion script of a shell.`,
		Example: `  source <(onecard completion bash)
  onecard completion bash > /etc/bash_completion.d/onecard
  onecard completion zsh > "${fpath[1]}/_onecard"
  onecard completion fish > ~/.config/fish/completions/onecard.fish`,
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args:      usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			root, out := c.Root(), c.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return withCode(exitUsage, withHelp(c, fmt.Errorf("没有外壳 %q,请写 bash、zsh、fish 或 powershell / no such shell: write bash, zsh, fish or powershell", args[0])))
		},
	}
}

// interrupted says in words that a signal has ended a command before it was done.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return errors.New("已中断 / interrupted")
	}
	return err
}
