package daemon

import (
	"context"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"onecard/switch/transaction"
)

// houseInterval is how often free space and the need for a checkpoint are looked at.
const houseInterval = 2 * time.Second

// keepHouse watches the disk, closes the business day when its time comes and nobody buys, and writes checkpoints, until the context ends.
// lastSequence is where the checkpoint was
// taken that the state was brought back from: what was replayed counts, or two crashes in a row would replay twice as much.
func (s *server) keepHouse(ctx context.Context, lastSequence uint64) {
	tick := time.NewTicker(houseInterval)
	defer tick.Stop()
	low := false
	memory := newCollector()
	lastTime := time.Now()
	for {
		low = s.watchDisk(ctx, low)
		memory.follow()
		if step := s.clock.follow(); step != 0 {
			s.log.Warn("系统时间跳变 / the system's time was stepped", zap.Duration("by", step))
		}
		s.watchDay(ctx)
		s.endWhatIsDue(ctx)
		sequence := s.pulse.seen.Load().Sequence
		due := time.Since(lastTime) >= s.config.Data.CheckpointInterval || sequence >= lastSequence+s.checkpointEntries(ctx)
		if due && sequence > lastSequence {
			s.checkpoint(ctx)
			lastTime, lastSequence = time.Now(), sequence
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// replayedEntries are brought back in some two seconds: as long as a ledger of a million holders needs for its checkpoint.
const replayedEntries = 4_000_000

// checkpointEntries is after how many entries a checkpoint is due: what the configuration says, or more where there are many holders. Four for each of
// them, up to replayedEntries, or half of them: a checkpoint of a million holders takes seven seconds, and at 150,000 entries a second one for every
// 500,000 was followed by the next at once; writing and compacting them was a third of what a purchase cost.
func (s *server) checkpointEntries(ctx context.Context) uint64 {
	entries := uint64(s.config.Data.CheckpointEntries)
	_ = s.opened.engine.Look(ctx, func(state *transaction.State) {
		holders := uint64(state.Holders())
		entries = max(entries, holders/2, min(4*holders, replayedEntries))
	}) // the switch stops otherwise
	return entries
}

// watchDisk tells the owner when space runs low, and when it is back.
func (s *server) watchDisk(ctx context.Context, before bool) bool {
	s.opened.store.RefreshSpace()
	free, low := s.opened.store.Space()
	if low == before {
		return low
	}
	if err := s.opened.engine.SetDiskLow(ctx, low); err != nil {
		return before
	}
	if low {
		s.log.Error("磁盘空间低:新交易拒绝(96),冲正放行 / disk low: new work is refused with 96, reversals pass", zap.Uint64("free_bytes", free))
	} else {
		s.log.Info("磁盘空间已恢复 / there is room on the disk again", zap.Uint64("free_bytes", free))
	}
	return low
}

// watchDay closes the business day when its time has passed: the first request of the new day does so too, but there may be none.
func (s *server) watchDay(ctx context.Context) {
	if err := s.opened.engine.TurnDay(ctx, s.clock.micros()); err != nil && ctx.Err() == nil {
		s.log.Error("日切失败,将重试 / switching the business day failed and will be tried again", zap.Error(err))
	}
}

// endWhatIsDue ends holds whose time has passed and gives expired subsidies back to their providers, a little at a time.
func (s *server) endWhatIsDue(ctx context.Context) {
	now := s.clock.micros()
	holds, err := s.opened.engine.ExpireHolds(ctx, now)
	if err == nil && holds > 0 {
		s.log.Info("到期冻结已释放 / holds whose time had passed were released", zap.Int("holds", holds))
	}
	returned, today := 0, time.UnixMicro(now).Add(s.config.Site.Zone).UTC().YearDay()
	for next := uint32(0); err == nil && s.lookedOn != today; {
		var some int
		next, some, err = s.opened.engine.ReturnExpired(ctx, next, now)
		if returned += some; next == 0 && err == nil {
			s.lookedOn = today
		}
	}
	if returned > 0 {
		s.log.Info("到期补贴已清退 / expired subsidies went back to their providers", zap.Int("purses", returned))
	}
	if err != nil && ctx.Err() == nil {
		s.log.Error("到期处理失败,将重试 / ending what is due failed and will be tried again", zap.Error(err))
	}
}

func (s *server) checkpoint(ctx context.Context) {
	if err := s.saveCheckpoint(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("检查点写入失败,将重试 / writing a checkpoint failed and will be tried again", zap.Error(err))
	}
}

// checkpointNow writes a checkpoint because somebody asks for one: before a planned stop of the machine, or to measure it.
func (s *server) checkpointNow(w http.ResponseWriter, r *http.Request) {
	if err := s.saveCheckpoint(r.Context()); err != nil {
		answerJSON(w, http.StatusUnprocessableEntity, Answer{Error: err.Error()})
		return
	}
	answerJSON(w, http.StatusOK, Answer{})
}

// writeIndexNow writes the window of the index that is gathered, because somebody asks for it: before a planned stop, or to measure it.
func (s *server) writeIndexNow(w http.ResponseWriter, _ *http.Request) {
	if err := s.opened.store.WriteIndex(); err != nil {
		answerJSON(w, http.StatusUnprocessableEntity, Answer{Error: err.Error()})
		return
	}
	answerJSON(w, http.StatusOK, Answer{})
}

// compactNow rewrites the tables into the lowest level, beside the load: to give back space, or to measure it.
func (s *server) compactNow(w http.ResponseWriter, r *http.Request) {
	if err := s.opened.store.Compact(r.Context()); err != nil {
		answerJSON(w, http.StatusUnprocessableEntity, Answer{Error: err.Error()})
		return
	}
	answerJSON(w, http.StatusOK, Answer{})
}

// saveCheckpoint freezes the state and writes it. One at a time: the store's rule.
func (s *server) saveCheckpoint(ctx context.Context) error {
	s.checkpoints.Lock()
	defer s.checkpoints.Unlock()
	began := time.Now()
	snapshot, err := s.opened.engine.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snapshot.Sharing.End()
	if err := s.opened.store.SaveCheckpoint(ctx, snapshot); err != nil {
		return err
	}
	s.metrics.Checkpointed(time.Since(began))
	s.log.Info("检查点已写 / checkpoint written", zap.Uint64("sequence", snapshot.Head.Sequence), zap.Duration("took", time.Since(began)))
	return nil
}

// crew is the goroutines that live as long as the switch.
type crew struct{ group sync.WaitGroup }

func newCrew() *crew { return new(crew) }

func (c *crew) start(work func()) { c.group.Go(work) }

func (c *crew) wait() { c.group.Wait() }
