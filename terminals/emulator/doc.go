// Package emulator is a campus terminal in software: for tests, for the bench, for the demonstration, and for vendors who want to see what
// a terminal has to do.
//
// The one idea: the terminal is a pure state machine. A Device turns wishes into frames and frames into answers; it has no socket and no
// clock, so that the same code is driven by a person at a prompt (Terminal), by thousands at once (Fleet) and by a test that holds both
// ends. What terminals were told is kept in a Memory and can be held against the ledger afterwards: the books must agree with the receipts.
//
//	wish  -> Device.Append  -> frame with MAC -> wire
//	wire  -> Device.Receive -> MAC bound to its request -> Answer
//
// One terminal by hand:
//
//	device, err := emulator.New(emulator.DeviceConfig{Code: "10000001", Merchant: "898300000000001", Key: tmk, Mode: iso8583.MACAESCMAC})
//	terminal, err := emulator.Dial(ctx, "127.0.0.1:8583", device)
//	_, err = terminal.SignOn()
//	answer, err := terminal.Purchase(9156000000000019, 1250, "") // fen; "" is no PIN
//	if errors.Is(err, emulator.ErrTimeout) {
//		answer, err = terminal.Reversal(device.Trace(), emulator.CauseNoAnswer)
//	}
//
// Many at once, in one goroutine:
//
//	fleet, err := emulator.NewFleet(emulator.FleetConfig{Address: address, Devices: configs, OnAnswer: func(device int, a *emulator.Answer) { ... }})
//	fleet.Connect()
//	fleet.Send(7, emulator.Request{Kind: emulator.KindPurchase, Card: card, Amount: 1250, Planned: now})
//	for running { err = fleet.Poll(10 * time.Millisecond) }
//
// A terminal without memory (DeviceConfig.Trace is 0) cannot know which trace numbers it has used in the batch that the switch grants, so
// it opens the next one. It does not print, does not sell offline and does not settle its batch: the switch answers 40 to 0500.
package emulator
