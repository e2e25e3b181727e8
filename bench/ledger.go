package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"onecard/bench/inprocess"
)

func newLedgerCommand() *cobra.Command {
	o := inprocess.Options{Work: "out", Records: 2_000_000, Holders: holders, Seconds: 2, Groups: []int{1, 8, 64, 512, 4096}}
	var json string
	var quick bool
	c := &cobra.Command{
		Use: "ledger", Short: "账本各部分,进程内 / the parts of the ledger, in process", Args: cobra.NoArgs,
		Long: `不经网络,在本进程内测账本各部分:按组大小的落盘笔数与处理器时间、每笔占盘、流水索引的代价、复算与重建的速度。
Without the network and in this process: durable purchases per second and processor time by size of group, bytes on disk per record, the
cost of the statement index behind, and the speed of verify and of building the index again.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if quick {
				o.Records, o.Seconds, o.Groups = min(o.Records, 100_000), min(o.Seconds, 0.2), []int{8, 64, 512}
			}
			result, err := inprocess.Ledger(c.Context(), o, c.OutOrStdout())
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), machine(o.Work))
			if json == "" {
				return nil
			}
			return writeJSON(json, result)
		},
	}
	c.Flags().StringVar(&o.Work, "work", o.Work, "工作目录,须在真实磁盘上 / folder for data, on a real disk")
	c.Flags().BoolVar(&o.Keep, "keep", false, "保留账本 / leave the ledger behind")
	c.Flags().IntVar(&o.Records, "records", o.Records, "被复算的账本的笔数 / records of the ledger that is verified")
	c.Flags().IntVar(&o.Holders, "holders", o.Holders, "持卡人数 / card holders")
	c.Flags().Float64Var(&o.Seconds, "seconds", o.Seconds, "每种组大小的时间 / time for each size of group")
	c.Flags().BoolVar(&quick, "quick", false, "几秒钟的一遍 / a run of a few seconds")
	c.Flags().StringVar(&json, "json", "", "结果写入 JSON / write the result as JSON")
	return c
}
