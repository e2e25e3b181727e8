package console

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"onecard/switch/transaction"
)

// Channels are the third-party payment channels (第三方充值). What they cannot do comes back as *transaction.Refused.
type Channels interface {
	List() []ChannelView
	// Place makes an order; the same key of the same operator again is the same order.
	Place(ctx context.Context, by, key, channel, holder string, amount Yuan) (ChannelOrder, error)
	Order(ctx context.Context, channel, number string) (ChannelOrder, error)
	// Refund asks for money back; the order says how far it got.
	Refund(ctx context.Context, by, key, channel, number string, amount Yuan, reason string) (ChannelOrder, error)
	// Settle asks the channel again about an order that waits for a person, and credits it if it may be.
	Settle(ctx context.Context, channel, number string) (ChannelOrder, error)
	// Reconcile holds a day against the channel's file, now; Reconciled is what the last comparison said.
	Reconcile(ctx context.Context, channel, day string) (ChannelDay, error)
	Reconciled(ctx context.Context, channel, day string) (ChannelDay, error)
}

// ChannelView is a channel.
type ChannelView struct {
	Name    string `json:"name"`
	Title   string `json:"title" doc:"微信支付 ..."`
	Waiting int    `json:"waiting" doc:"订单与退款等待通道 / orders and refunds that wait for the channel"`
}

// ChannelOrder is an order for a top-up through a channel.
type ChannelOrder struct {
	Channel     string          `json:"channel"`
	Number      string          `json:"number" doc:"商户订单号 / our number at the channel"`
	Holder      string          `json:"holder"`
	Amount      Yuan            `json:"amount"`
	State       string          `json:"state" enum:"created,paid,closed,refunding,refunded,manual"`
	Pay         string          `json:"pay,omitempty" doc:"二维码内容 / what to make a QR code of"`
	Created     string          `json:"created"`
	Expires     string          `json:"expires" doc:"支付期限 / pay until"`
	Transaction string          `json:"transaction,omitempty" doc:"通道交易号 / the channel's number"`
	Record      string          `json:"record,omitempty" doc:"入账记录号 / the entry that credited it"`
	Refundable  Yuan            `json:"refundable"`
	Refunds     []ChannelRefund `json:"refunds,omitempty"`
	Cause       string          `json:"cause,omitempty" doc:"待人工的原因 / why a person must look"`
	Repeated    bool            `json:"repeated,omitempty"`
}

// ChannelRefund is money on its way back.
type ChannelRefund struct {
	Number string `json:"number"`
	Amount Yuan   `json:"amount"`
	State  string `json:"state" enum:"intended,taken,rejected,paid,refused,returned,manual"`
	Record string `json:"record,omitempty"`
	Back   string `json:"back,omitempty" doc:"退回钱包的记录号 / the entry that gave it back to the purse"`
	Cause  string `json:"cause,omitempty"`
}

// ChannelDay is a day held against the channel's file.
type ChannelDay struct {
	Channel        string              `json:"channel"`
	Day            string              `json:"day"`
	Time           string              `json:"time"`
	Equal          int                 `json:"equal"`
	OursPaid       Yuan                `json:"ours_paid"`
	TheirsPaid     Yuan                `json:"theirs_paid"`
	OursRefunded   Yuan                `json:"ours_refunded"`
	TheirsRefunded Yuan                `json:"theirs_refunded"`
	Fees           Yuan                `json:"fees"`
	Settled        bool                `json:"settled"`
	Differences    []ChannelDifference `json:"differences"`
}

// ChannelDifference is a number that did not stand equal, and what was done about it.
type ChannelDifference struct {
	Case   string `json:"case" enum:"channel_only,ours_only,amount_differs"`
	Number string `json:"number"`
	Refund bool   `json:"refund,omitempty"`
	Ours   Yuan   `json:"ours"`
	Theirs Yuan   `json:"theirs"`
	Action string `json:"action" enum:"credited,confirmed,pending,reversed,manual"`
	Cause  string `json:"cause,omitempty"`
}

// ChannelNamed is a channel in a path.
type ChannelNamed struct {
	Channel string `path:"channel" maxLength:"32" doc:"通道 / channel"`
}

// ChannelOrderNamed is an order of a channel.
type ChannelOrderNamed struct {
	ChannelNamed
	Number string `path:"number" maxLength:"32" doc:"订单号 / number of the order"`
}

// ChannelDayNamed is a day of a channel.
type ChannelDayNamed struct {
	ChannelNamed
	Day string `path:"day" format:"date"`
}

type (
	channelOrderAsked struct {
		Idempotency
		ChannelNamed
		Body struct {
			Holder string `json:"holder" minLength:"1" maxLength:"32" doc:"持卡人学号、工号 / the holder's number"`
			Amount Yuan   `json:"amount"`
		}
	}
	channelRefundAsked struct {
		Idempotency
		ChannelOrderNamed
		Body struct {
			Amount Yuan   `json:"amount"`
			Reason string `json:"reason" minLength:"1" maxLength:"80" doc:"事由 / why"`
		}
	}
	channelSettleAsked struct {
		Idempotency
		ChannelOrderNamed
	}
	channelReconcileAsked struct {
		Idempotency
		ChannelDayNamed
	}
	channelOrderAnswer struct {
		Status int
		Body   ChannelOrder
	}
	channelDayAnswer struct{ Body ChannelDay }
	channelsAnswer   struct {
		Body struct {
			Channels []ChannelView `json:"channels"`
		}
	}
)

// Who may do what: an operator of a self-service machine or app is a cashier of its own.
const (
	channelPlacers     = transaction.RoleCashier | transaction.RoleAccountant
	channelReconcilers = transaction.RoleAccountant
)

func (c *Console) registerChannels(api huma.API) {
	register(c, api, route{
		id: "channels", method: http.MethodGet, path: "/channels", chinese: "第三方支付通道", english: "third-party payment channels", need: readers, tag: "channels",
	}, func(context.Context, person, *struct{}, *note) (*channelsAnswer, error) {
		a := &channelsAnswer{}
		a.Body.Channels = []ChannelView{}
		if c.channels != nil {
			a.Body.Channels = append(a.Body.Channels, c.channels.List()...)
		}
		return a, nil
	})
	register(c, api, route{
		id: "channel_order", method: http.MethodPost, path: "/channels/{channel}/orders", chinese: "充值下单", english: "an order to top up through a channel",
		need: channelPlacers, tag: "channels", status: http.StatusCreated,
	}, c.placeOrder)
	register(c, api, route{
		id: "channel_order_show", method: http.MethodGet, path: "/channels/{channel}/orders/{number}", chinese: "充值订单", english: "one order", need: readers, tag: "channels",
	}, func(ctx context.Context, _ person, in *ChannelOrderNamed, n *note) (*channelOrderAnswer, error) {
		n.subject = "order " + in.Number
		return ordered(http.StatusOK)(withChannels(c, func() (ChannelOrder, error) { return c.channels.Order(ctx, in.Channel, in.Number) }))
	})
	register(c, api, route{
		id: "channel_refund", method: http.MethodPost, path: "/channels/{channel}/orders/{number}/refunds", chinese: "充值退款", english: "a refund of an order",
		need: channelPlacers, tag: "channels", status: http.StatusCreated,
	}, c.refundOrder)
	register(c, api, route{
		id: "channel_settle", method: http.MethodPost, path: "/channels/{channel}/orders/{number}/settle", chinese: "待人工订单补办", english: "settle an order that waits for a person",
		need: channelReconcilers, tag: "channels",
	}, func(ctx context.Context, _ person, in *channelSettleAsked, n *note) (*channelOrderAnswer, error) {
		n.subject, n.outcome = "order "+in.Number, "done"
		return ordered(http.StatusOK)(withChannels(c, func() (ChannelOrder, error) { return c.channels.Settle(ctx, in.Channel, in.Number) }))
	})
	register(c, api, route{
		id: "channel_reconcile", method: http.MethodPost, path: "/channels/{channel}/reconciliations/{day}", chinese: "与通道对账", english: "hold a day against the channel's file",
		need: channelReconcilers, tag: "channels",
	}, func(ctx context.Context, _ person, in *channelReconcileAsked, n *note) (*channelDayAnswer, error) {
		n.subject, n.outcome = "channel "+in.Channel+" "+in.Day, "done"
		day, err := withChannels(c, func() (ChannelDay, error) { return c.channels.Reconcile(ctx, in.Channel, in.Day) })
		return &channelDayAnswer{day}, err
	})
	register(c, api, route{
		id: "channel_reconciled", method: http.MethodGet, path: "/channels/{channel}/reconciliations/{day}", chinese: "对账结果", english: "what a comparison said",
		need: readers, tag: "channels",
	}, func(ctx context.Context, _ person, in *ChannelDayNamed, n *note) (*channelDayAnswer, error) {
		n.subject = "channel " + in.Channel + " " + in.Day
		day, err := withChannels(c, func() (ChannelDay, error) { return c.channels.Reconciled(ctx, in.Channel, in.Day) })
		return &channelDayAnswer{day}, err
	})
}

// withChannels asks the channels, if there are any.
func withChannels[T any](c *Console, ask func() (T, error)) (answer T, err error) {
	if c.channels == nil {
		return answer, &transaction.Refused{Rule: "channel_known", Chinese: "没有配置第三方通道", English: "no third-party channel is configured"}
	}
	return ask()
}

// ordered makes an answer of an order; one that was there before is answered with 200.
func ordered(status int) func(ChannelOrder, error) (*channelOrderAnswer, error) {
	return func(o ChannelOrder, err error) (*channelOrderAnswer, error) {
		if err != nil {
			return nil, err
		}
		if o.Repeated {
			status = http.StatusOK
		}
		return &channelOrderAnswer{status, o}, nil
	}
}

func (c *Console) placeOrder(ctx context.Context, who person, in *channelOrderAsked, n *note) (*channelOrderAnswer, error) {
	n.subject, n.outcome = "holder "+in.Body.Holder, "done"
	return ordered(http.StatusCreated)(withChannels(c, func() (ChannelOrder, error) {
		return c.channels.Place(ctx, who.code, in.Key, in.Channel, in.Body.Holder, in.Body.Amount)
	}))
}

func (c *Console) refundOrder(ctx context.Context, who person, in *channelRefundAsked, n *note) (*channelOrderAnswer, error) {
	n.subject, n.reason, n.outcome = "order "+in.Number, in.Body.Reason, "done"
	return ordered(http.StatusCreated)(withChannels(c, func() (ChannelOrder, error) {
		return c.channels.Refund(ctx, who.code, in.Key, in.Channel, in.Number, in.Body.Amount, in.Body.Reason)
	}))
}
