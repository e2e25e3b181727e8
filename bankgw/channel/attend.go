package channel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	attendTogether = 8 // orders that are asked about at the same time
	attendPause    = 200 * time.Millisecond
)

// Run attends to what waits until the context ends.
func (c *Channel) Run(ctx context.Context, clock func() int64) {
	tick := time.NewTicker(attendPause)
	defer tick.Stop()
	for {
		c.Attend(ctx, clock())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Attend asks the channel about every order and refund whose turn has come, and returns when all have been asked about.
func (c *Channel) Attend(ctx context.Context, now int64) {
	due := c.due(now)
	for len(due) > 0 && ctx.Err() == nil {
		some := due[:min(len(due), attendTogether)]
		due = due[len(some):]
		var group sync.WaitGroup
		for _, sequence := range some {
			group.Go(func() {
				if err := c.AttendOrder(ctx, sequence, now); err != nil && ctx.Err() == nil {
					c.failed(fmt.Sprintf("%d", sequence), err)
				}
			})
		}
		group.Wait()
	}
}

// due takes the orders whose turn has come and gives them their next.
func (c *Channel) due(now int64) (list []uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for sequence, t := range c.waiting {
		if t.at > now {
			continue
		}
		list = append(list, sequence)
		pause := c.config.QueryBackOff[min(t.step, len(c.config.QueryBackOff)-1)]
		t.at = now + pause.Microseconds()
		t.step++
	}
	slices.Sort(list) // the oldest first
	return list
}

// AttendOrder asks about one order: whether it was paid; when it has expired, that it be closed; how its refund stands.
func (c *Channel) AttendOrder(ctx context.Context, sequence uint64, now int64) error {
	o, err := c.read(sequence)
	if err != nil {
		return err
	}
	if o.State == Refunding {
		return c.pursue(ctx, sequence, now)
	}
	if o.State != Created {
		c.settled(sequence)
		return nil
	}
	p, err := c.provider.Query(ctx, o.Number)
	if err != nil {
		return fmt.Errorf("asking about order %s: %w", o.Number, err)
	}
	switch {
	case p.Status == PaymentDone:
		return c.Settle(ctx, p, now)
	case now < o.Expires:
		return nil
	case p.Status == PaymentClosed:
		return c.lapse(sequence)
	}
	err = c.provider.Close(ctx, o.Number)
	switch {
	case err == nil:
		return c.lapse(sequence)
	case !errors.Is(err, ErrPaid):
		return fmt.Errorf("closing order %s: %w", o.Number, err)
	}
	if p, err = c.provider.Query(ctx, o.Number); err != nil {
		return fmt.Errorf("asking about order %s: %w", o.Number, err)
	}
	return c.Settle(ctx, p, now)
}
