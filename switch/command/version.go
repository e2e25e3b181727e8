package command

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersionCommand(version string) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "版本与主要组件 / the version and what it is built of",
		Example: "  onecard version",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			out := c.OutOrStdout()
			fmt.Fprintf(out, "onecard %s\n%-34s %s\n", version, "go", runtime.Version())
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return nil
			}
			for _, module := range info.Deps {
				switch module.Path {
				case "github.com/cockroachdb/pebble/v2", "github.com/moov-io/iso8583", "github.com/prometheus/client_golang", "go.uber.org/zap":
					fmt.Fprintf(out, "%-34s %s\n", module.Path, module.Version)
				}
			}
			return nil
		},
	}
}
