package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onecard/ledger"
)

// Draft is a file that is being gathered. Nothing of it is on disk before Finish.
type Draft struct {
	folder *Folder
	run    Run
	rows   []row
	body   []byte // chunks, compressed
	chunk  []byte // the chunk that is being gathered
	first  uint64 // its first sequence
	count  uint32 // its blocks
}

// Begin begins a file behind a head. ledgerHash is the hash of the ledger's first block; the zero hash for a draft that begins with it.
func (f *Folder) Begin(head ledger.Head, ledgerHash ledger.Hash) *Draft {
	return &Draft{folder: f, run: Run{First: head.Sequence + 1, Last: head.Sequence, Before: head.Hash, Hash: head.Hash, Ledger: ledgerHash}}
}

// Takes says whether a block of a day still goes into the file.
func (d *Draft) Takes(day uint32) bool { return d.run.Blocks == 0 || d.run.Day == day && !d.run.Full() }

// Head is the head after the last block added.
func (d *Draft) Head() ledger.Head { return d.run.Head() }

// Blocks is how many there are.
func (d *Draft) Blocks() uint32 { return d.run.Blocks }

// Add adds a block whose hash has been checked. Its entries are decoded once more: what cannot be read is not called archived.
// REQUIRES: Takes its day.
func (d *Draft) Add(b ledger.Block) error {
	if err := b.Follows(d.run.Head()); err != nil {
		return err
	}
	end := b.Time()
	err := b.Each(func(_ uint64, e *ledger.Entry) error { end = e.Time; return nil })
	if err != nil {
		return err
	}
	if d.run.Blocks == 0 {
		d.run.Day, d.run.Begin = b.Day(), b.Time()
		if d.run.First == 1 {
			d.run.Ledger = b.Head().Hash
		}
	}
	if d.count == 0 {
		d.first = b.First()
	}
	d.chunk = append(binary.BigEndian.AppendUint32(d.chunk, uint32(len(b.Bytes()))), b.Bytes()...)
	d.count++
	d.run.Blocks++
	d.run.Last, d.run.Hash, d.run.End = b.Last(), b.Head().Hash, end
	d.run.Raw += uint64(len(b.Bytes()))
	if len(d.chunk) >= chunkBytes {
		d.compress()
	}
	return nil
}

func (d *Draft) compress() {
	if d.count == 0 {
		return
	}
	before := len(d.body)
	d.body = d.folder.codec.encoder.EncodeAll(d.chunk, d.body)
	stored := d.body[before:]
	d.rows = append(d.rows, row{
		first: d.first, at: uint64(before), stored: uint32(len(stored)), raw: uint32(len(d.chunk)), crc: crc32.Checksum(stored, castagnoli()), blocks: d.count,
	})
	d.chunk, d.count = d.chunk[:0], 0
}

// Finish writes the file, reads it back from the disk, block by block, and gives it its name. The folder knows it from then on; INDEX says
// so with the next Seal.
func (d *Draft) Finish() (Run, error) {
	d.compress()
	offset := uint64(headerBytes + rowBytes*len(d.rows))
	for i := range d.rows {
		d.rows[i].at += offset
	}
	d.run.Bytes = offset + uint64(len(d.body))
	head := appendHead(nil, &d.run, d.rows)
	f := d.folder
	path := f.path(d.run.Name())
	if err := errors.Join(f.write(path+suffixNew, head, d.body), f.check(path+suffixNew, &d.run)); err != nil {
		return Run{}, fmt.Errorf("%s: 档案文件未写成 / the archive file was not written: %w", path, err)
	}
	if err := errors.Join(f.fs.Rename(path+suffixNew, path), syncDir(f.fs, f.dir)); err != nil {
		return Run{}, fmt.Errorf("%s: 档案文件未写成 / the archive file was not written: %w", path, err)
	}
	return d.run, f.add(d.run)
}

// write writes and syncs a file.
func (f *Folder) write(path string, parts ...[]byte) error {
	file, err := f.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err == nil {
			_, err = file.Write(part)
		}
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// check reads a file from the disk: it is the run, and every block in it is whole and hangs in the chain.
func (f *Folder) check(path string, want *Run) error {
	file, err := f.fs.Open(path)
	if err != nil {
		return err
	}
	err = f.checkOpen(file, want, func(ledger.Block) error { return nil })
	return errors.Join(err, file.Close())
}

func (f *Folder) checkOpen(file vfs.File, want *Run, visit func(ledger.Block) error) error {
	got, rows, err := readHead(file)
	if err != nil {
		return err
	}
	if got != *want {
		return errChange
	}
	head := ledger.Head{Sequence: want.First - 1, Hash: want.Before}
	for _, c := range rows {
		chunk, err := f.codec.readChunk(file, c)
		if err != nil {
			return err
		}
		for _, skimmed := range chunk.blocks {
			b, err := ledger.OpenBlock(skimmed.Bytes())
			if err == nil {
				err = errors.Join(b.Follows(head), visit(b))
			}
			if err != nil {
				return err
			}
			head = b.Head()
		}
	}
	if head != want.Head() {
		return errChain
	}
	return nil
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
