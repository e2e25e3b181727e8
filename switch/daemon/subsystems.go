package daemon

import (
	"onecard/switch/campus"
	"onecard/switch/campus/access"
	"onecard/switch/campus/bankload"
	"onecard/switch/campus/consumption"
)

// subsystems is the one list of subsystems. Adding one touches its folder and a line here.
func subsystems(c *Config) []campus.Subsystem {
	return []campus.Subsystem{
		consumption.New(consumption.Config{AmountMax: c.amountMax()}),
		access.New(),
		bankload.New(bankload.Config{NoBank: len(c.banks()) == 0, TakesAutomatic: c.takesAutomatic()}),
	}
}
