package archive

import (
	"errors"
	"fmt"
	"io/fs"

	"onecard/ledger"
)

// ErrNoArchive says that a folder holds no archive.
var ErrNoArchive = errors.New("目录中没有档案 / the folder holds no archive")

// Damage says that a file, or a part of one, is missing or cannot be read, and which entries are in it.
type Damage struct {
	File       string // path; "": no file has these entries
	Blocks     uint32 // 0: nothing says how many
	From, UpTo uint64 // entries
	Err        error
}

func (d *Damage) Error() string {
	file, blocks, why := d.File, "", d.Err.Error()
	if file == "" {
		file = "(无 / none)"
	}
	if d.Blocks > 0 {
		blocks = fmt.Sprintf("%d 个区块 / blocks,", d.Blocks)
	}
	if errors.Is(d.Err, fs.ErrNotExist) {
		why = "文件不在 / the file is not there"
	}
	return fmt.Sprintf("数据损坏 / damaged: 文件 %s:%s档案中记录 / the archive's entries %d – %d 缺失或损坏,请放回完好的副本 / are missing or damaged: put a good copy back: %s", file, blocks, d.From, d.UpTo, why)
}

func (d *Damage) Unwrap() error { return d.Err }

// Foreign says that the file is whole and belongs elsewhere.
func (d *Damage) Foreign() bool { return errors.Is(d.Err, errOther) || errors.Is(d.Err, errChain) }

// IndexError says that the list of files cannot be read, so that nothing proves that the newest files are all there.
type IndexError struct {
	Path string
	Err  error
}

func (e *IndexError) Error() string {
	return fmt.Sprintf("数据损坏 / damaged: 文件 %s: 清单缺失或损坏,无法证明最新的档案文件都在;由账本再归档一次即可重写 / the list of files is missing or damaged: nothing proves that the newest files are all there; archiving from the ledger once more writes it again: %v", e.Path, e.Err)
}

func (e *IndexError) Unwrap() error { return e.Err }

// ForeignError says that an archive and a ledger are not of one chain.
type ForeignError struct {
	Dir  string
	Head ledger.Head // the archive's
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s: 档案止于第 %d 条,与本账本不是同一条链(账本从备份恢复过,或目录属于另一账本):请为本账本另选一个档案目录,旧档案保留备查 / "+
		"the archive, which ends at entry %[2]d, is not of this ledger's chain (the ledger was restored to before that, or the folder is another ledger's): name a new folder for this ledger and keep the old one as evidence", e.Dir, e.Head.Sequence)
}
